package catalogue

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	fx := open(t)
	before := fx.active("fn")
	tags := func() map[string]string {
		m, err := fx.Tags("fn")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := tags(); m == nil || len(m) != 0 {
		t.Errorf("tags of a new function are %v", m)
	}
	if err := fx.Tag(ctx, "fn", map[string]string{"a": "1", "b": "2"}); err != nil {
		t.Fatal(err)
	}
	if err := fx.Tag(ctx, "fn", map[string]string{"b": "3"}); err != nil {
		t.Fatal(err)
	}
	if err := fx.Untag(ctx, "fn", []string{"a", "unknown"}); err != nil {
		t.Fatal(err)
	}
	fx.reopen()
	if m := tags(); !maps.Equal(m, map[string]string{"b": "3"}) {
		t.Errorf("tags are %v", m)
	}
	if fx.get("fn", "").RevisionID != before.RevisionID {
		t.Error("tags changed the function's revision")
	}
	many := map[string]string{}
	for i := range 49 {
		many[fmt.Sprint(i)] = "x"
	}
	if err := fx.Tag(ctx, "fn", many); err != nil {
		t.Errorf("50 tags: %v", err)
	}
	refused[*InvalidError](t, fx.Tag(ctx, "fn", map[string]string{"one more": ""}), "Number of tags exceeds resource tag limit.")
	if len(tags()) != 50 {
		t.Errorf("%d tags after a refusal", len(tags()))
	}
	for _, bad := range []map[string]string{{"": "x"}, {strings.Repeat("k", 129): "x"}, {"0": strings.Repeat("v", 257)}, {"AWS:x": "x"}} {
		if err := fx.Tag(ctx, "fn", bad); err == nil {
			t.Errorf("tags %.20v were accepted", bad)
		}
	}
	const missing = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:other"
	_, err := fx.Tags("other")
	refused[*NotFoundError](t, err, missing)
	refused[*NotFoundError](t, fx.Tag(ctx, "other", nil), missing)
	refused[*NotFoundError](t, fx.Untag(ctx, "other", nil), missing)
}
