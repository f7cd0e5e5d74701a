package lambdaapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Violations collects what is wrong with a request, so that a user sees all of
// it at once. The zero value is ready.
type Violations struct {
	texts []string
}

// maxQuoted bounds how much of a value a message repeats.
const maxQuoted = 1024

func quote(value string) string {
	if len(value) > maxQuoted {
		cut := maxQuoted
		for cut > 0 && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "..."
	}
	return "'" + value + "'"
}

// Add notes that the value of field breaks a constraint, in the service's words.
func (v *Violations) Add(field, value, constraint string) {
	v.add(field, quote(value), constraint)
}

func (v *Violations) add(field, shown, constraint string) {
	v.texts = append(v.texts, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", shown, field, constraint))
}

// Missing notes that a required field is not there.
func (v *Violations) Missing(field string) { v.add(field, "null", "Member must not be null") }

// Pattern notes that a value does not match.
func (v *Violations) Pattern(field, value, pattern string) {
	v.Add(field, value, "Member must satisfy regular expression pattern: "+pattern)
}

// Length checks the number of characters.
func (v *Violations) Length(field, value string, low, high int) {
	switch n := utf8.RuneCountInString(value); {
	case n < low:
		v.Add(field, value, fmt.Sprintf("Member must have length greater than or equal to %d", low))
	case n > high:
		v.Add(field, value, fmt.Sprintf("Member must have length less than or equal to %d", high))
	}
}

// Range checks a number.
func (v *Violations) Range(field string, value, low, high int) {
	switch {
	case value < low:
		v.Add(field, strconv.Itoa(value), fmt.Sprintf("Member must have value greater than or equal to %d", low))
	case value > high:
		v.Add(field, strconv.Itoa(value), fmt.Sprintf("Member must have value less than or equal to %d", high))
	}
}

// OneOf checks an enumeration.
func (v *Violations) OneOf(field, value string, set ...string) {
	for _, s := range set {
		if value == s {
			return
		}
	}
	v.Add(field, value, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

// Err returns the ValidationException, or nil if there is nothing to complain about.
func (v *Violations) Err() error {
	switch len(v.texts) {
	case 0:
		return nil
	case 1:
		return Errorf(CodeValidation, "1 validation error detected: %s", v.texts[0])
	}
	return Errorf(CodeValidation, "%d validation errors detected: %s", len(v.texts), strings.Join(v.texts, "; "))
}
