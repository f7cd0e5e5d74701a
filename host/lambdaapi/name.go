package lambdaapi

import "regexp"

// Name is what a FunctionName or a function ARN says. Only Function is always set.
type Name struct {
	Account  string // twelve digits
	Region   string
	Function string // the bare name
	// Qualifier is a version, an alias or $LATEST.
	Qualifier string
}

// The patterns are the API model's, in the words of its error messages.
const (
	regionPattern = `((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?`
	namePattern   = `(arn:(aws[a-zA-Z-]*)?:lambda:)?` + regionPattern + `(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
	// spacedPattern allows a dot in the name and $LATEST.PUBLISHED.
	spacedPattern    = `(arn:(aws[a-zA-Z-]*)?:lambda:)?` + regionPattern + `(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	qualifierPattern = `\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`
	taggablePattern  = `arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`
)

// Lengths of names in the API model.
const (
	maxManagedName = 140
	maxInvokedName = 256
	maxBareName    = 64
	maxQualifier   = 128
)

var (
	nameRegexp      = whole(namePattern)
	spacedRegexp    = whole(spacedPattern)
	qualifierRegexp = whole(qualifierPattern)
	taggableRegexp  = whole(taggablePattern)
)

func whole(pattern string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + pattern + `)$`) }

// Groups of namePattern and spacedPattern.
const (
	groupRegion    = 3
	groupAccount   = 9
	groupWord      = 10 // "function:"
	groupFunction  = 11
	groupQualifier = 13
)

// ParseName reads a FunctionName as Invoke and the operations that read take it,
// at most 256 characters: "name", "name:qualifier", "account:function:name" or
// "arn:aws:lambda:region:account:function:name", the last two with or without
// ":qualifier". The error is a ValidationException that quotes the value.
func ParseName(s string) (Name, error) {
	return parseName(s, spacedRegexp, spacedPattern, maxInvokedName)
}

// ParseManagedName is ParseName for operations that change a function, which
// take 140 characters and no dots.
func ParseManagedName(s string) (Name, error) {
	return parseName(s, nameRegexp, namePattern, maxManagedName)
}

func parseName(s string, re *regexp.Regexp, pattern string, limit int) (Name, error) {
	var v Violations
	v.Length("functionName", s, 1, limit)
	match := re.FindStringSubmatch(s)
	if match == nil {
		v.Pattern("functionName", s, pattern)
	}
	if match != nil {
		v.Length("qualifier", match[groupQualifier], 0, maxQualifier)
	}
	if err := v.Err(); err != nil {
		return Name{}, err
	}
	n := Name{
		Region:    trimColon(match[groupRegion]),
		Account:   trimColon(match[groupAccount]),
		Function:  match[groupFunction],
		Qualifier: match[groupQualifier],
	}
	if len(n.Function) > maxBareName {
		return Name{}, Errorf(CodeInvalidParameter, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to %d", n.Function, maxBareName)
	}
	return n, nil
}

func trimColon(s string) string {
	if s == "" {
		return ""
	}
	return s[:len(s)-1]
}

// ParseQualifier holds the Qualifier parameter against the pattern; "" is allowed
// and means that none was given.
func ParseQualifier(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	var v Violations
	v.Length("qualifier", s, 1, maxQualifier)
	if !qualifierRegexp.MatchString(s) {
		v.Pattern("qualifier", s, qualifierPattern)
	}
	return s, v.Err()
}

// WithQualifier joins the qualifier of the name with that of a parameter of its
// own. Where both are given they must agree.
func (n Name) WithQualifier(qualifier string) (Name, error) {
	switch {
	case qualifier == "":
	case n.Qualifier == "":
		n.Qualifier = qualifier
	case n.Qualifier != qualifier:
		return Name{}, Errorf(CodeInvalidParameter, "The derived qualifier from the function name does not match the specified qualifier.")
	}
	return n, nil
}

// Unqualified refuses a qualifier, for operations on functions as a whole.
func (n Name) Unqualified() error {
	if n.Qualifier == "" {
		return nil
	}
	return Errorf(CodeInvalidParameter, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
}

// In refuses a name in another region or account than the host's, each with the
// error the service gives.
func (n Name) In(region, account string) error {
	if n.Region != "" && n.Region != region {
		return Errorf(CodeNotFound, "Functions from '%s' are not reachable in this region ('%s')", n.Region, region)
	}
	if n.Account != "" && n.Account != account {
		arn := "arn:aws:lambda:" + region + ":" + n.Account + ":function:" + n.Function
		if n.Qualifier != "" {
			arn += ":" + n.Qualifier
		}
		return Errorf(CodeNotFound, "Function not found: %s", arn)
	}
	return nil
}

// ParseTagged reads the ARN of TagResource and its like. Only functions as a
// whole have tags here.
func ParseTagged(arn string) (Name, error) {
	var v Violations
	v.Length("resource", arn, 1, maxInvokedName)
	if !taggableRegexp.MatchString(arn) {
		v.Pattern("resource", arn, taggablePattern)
	}
	if err := v.Err(); err != nil {
		return Name{}, err
	}
	match := nameRegexp.FindStringSubmatch(arn)
	if match == nil || match[groupWord] == "" { // a layer, an event source mapping, ...
		return Name{}, Errorf(CodeNotFound, "The resource you requested does not exist.")
	}
	n, err := ParseManagedName(arn)
	if err == nil && n.Qualifier != "" {
		err = Errorf(CodeInvalidParameter, "Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return n, err
}
