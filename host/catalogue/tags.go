package catalogue

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"
)

// Limits of tags (TagResource, Lambda API).
const (
	maxTags          = 50
	maxTagKeyRunes   = 128
	maxTagValueRunes = 256
)

// Tags returns the tags of a function; the map is never nil.
func (c *Catalogue) Tags(name string) (map[string]string, error) {
	f := c.lookup(name)
	if f == nil {
		return nil, c.notFound(name, "")
	}
	tags := maps.Clone(f.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return tags, nil
}

// Tag adds tags and replaces those that exist.
func (c *Catalogue) Tag(ctx context.Context, name string, tags map[string]string) error {
	return c.editExisting(ctx, name, func(e *edit) error {
		if e.f.tags == nil {
			e.f.tags = make(map[string]string)
		}
		maps.Copy(e.f.tags, tags)
		return checkTags(e.f.tags)
	})
}

// Untag removes tags; keys that are not there are no error.
func (c *Catalogue) Untag(ctx context.Context, name string, keys []string) error {
	return c.editExisting(ctx, name, func(e *edit) error {
		for _, k := range keys {
			delete(e.f.tags, k)
		}
		return nil
	})
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("Tags", "Number of tags exceeds resource tag limit.")
	}
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > maxTagKeyRunes:
			return invalid("Tags", "The tag key %q must have 1 to %d characters.", k, maxTagKeyRunes)
		case utf8.RuneCountInString(v) > maxTagValueRunes:
			return invalid("Tags", "The value of tag %q must have at most %d characters.", k, maxTagValueRunes)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tags", "The tag key %q begins with aws:, which is reserved.", k)
		}
	}
	return nil
}
