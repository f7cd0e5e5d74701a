// Package attachment is how an operator attaches what serves many functions with
// one process or instance: a file of JSON beside it says to which functions, and
// with which environment variables.
//
// It looks at bytes only. Read next: package observer, whose extensions are
// attached by it.
package attachment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Suffix is that of the file beside NAME: NAME.json.
const Suffix = ".json"

// Attachment is what every such file can say. All is optional.
type Attachment struct {
	// Functions are names or patterns of names ("orders-*", see [path.Match]); none
	// means all functions.
	Functions []string `json:"functions,omitempty"`
	// Environment is added to the environment variables.
	Environment map[string]string `json:"environment,omitempty"`
}

// Decode reads a file of JSON strictly: unknown members and what follows the
// object are errors. file names it in errors.
func Decode(file string, data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: there is more after the object", file)
	}
	return nil
}

var variablePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate tells every fault at once, each with its member.
func (a Attachment) Validate() error {
	var faults []error
	for i, pattern := range a.Functions {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			faults = append(faults, fmt.Errorf("functions[%d]: %q is not a name or a pattern", i, pattern))
		}
	}
	for name, value := range a.Environment {
		if !variablePattern.MatchString(name) || strings.ContainsRune(value, 0) {
			faults = append(faults, fmt.Errorf("environment: %q is not a variable", name))
		}
	}
	return errors.Join(faults...)
}

// To tells whether the attachment is to the function.
func (a Attachment) To(function string) bool {
	for _, pattern := range a.Functions {
		if match, err := path.Match(pattern, function); err == nil && match {
			return true
		}
	}
	return len(a.Functions) == 0
}
