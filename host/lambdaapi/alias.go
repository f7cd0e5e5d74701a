package lambdaapi

import "regexp"

// AliasConfiguration describes an alias.
type AliasConfiguration struct {
	AliasArn        string         `json:"AliasArn"`
	Name            string         `json:"Name"`
	FunctionVersion string         `json:"FunctionVersion"`
	Description     string         `json:"Description"`
	RoutingConfig   *RoutingConfig `json:"RoutingConfig,omitempty"`
	RevisionID      string         `json:"RevisionId"`
}

// RoutingConfig gives a second version a share (0 to 1) of the invocations.
type RoutingConfig struct {
	AdditionalVersionWeights map[string]float64 `json:"AdditionalVersionWeights"`
}

// ListAliasesResponse is one page of ListAliases.
type ListAliasesResponse struct {
	NextMarker string                `json:"NextMarker,omitempty"`
	Aliases    []*AliasConfiguration `json:"Aliases"`
}

// CreateAliasRequest is the request of CreateAlias; the function is in the path.
type CreateAliasRequest struct {
	Name            *string        `json:"Name"`
	FunctionVersion *string        `json:"FunctionVersion"`
	Description     *string        `json:"Description,omitempty"`
	RoutingConfig   *RoutingConfig `json:"RoutingConfig,omitempty"`
}

// UpdateAliasRequest is the request of UpdateAlias; fields that are not there
// stay as they are.
type UpdateAliasRequest struct {
	FunctionVersion *string        `json:"FunctionVersion,omitempty"`
	Description     *string        `json:"Description,omitempty"`
	RoutingConfig   *RoutingConfig `json:"RoutingConfig,omitempty"`
	RevisionID      *string        `json:"RevisionId,omitempty"`
}

// The API model's patterns; an alias must not be all digits, which would be a version.
const (
	aliasPattern   = `(?!^[0-9]+$)([a-zA-Z0-9-_]+)`
	versionPattern = `(\$LATEST(\.PUBLISHED)?|[0-9]+)`
)

var (
	aliasRegexp   = regexp.MustCompile(`^[a-zA-Z0-9-_]*[a-zA-Z-_][a-zA-Z0-9-_]*$`)
	versionRegexp = whole(versionPattern)
)

func checkAliasName(v *Violations, name string) {
	v.Length("name", name, 1, maxQualifier)
	if !aliasRegexp.MatchString(name) {
		v.Pattern("name", name, aliasPattern)
	}
}

// CheckVersion notes what is wrong with the number of a version.
func CheckVersion(v *Violations, version string) {
	v.Length("functionVersion", version, 1, maxShortText)
	if !versionRegexp.MatchString(version) {
		v.Pattern("functionVersion", version, versionPattern)
	}
}

// Validate holds the request against the API model.
func (r *CreateAliasRequest) Validate() error {
	var v Violations
	required(&v, "name", r.Name, checkAliasName)
	required(&v, "functionVersion", r.FunctionVersion, CheckVersion)
	checkDescription(&v, r.Description)
	return v.Err()
}

// Validate holds the request against the API model.
func (r *UpdateAliasRequest) Validate() error {
	var v Violations
	if r.FunctionVersion != nil {
		CheckVersion(&v, *r.FunctionVersion)
	}
	checkDescription(&v, r.Description)
	return v.Err()
}

func required(v *Violations, field string, value *string, check func(*Violations, string)) {
	if value == nil {
		v.Missing(field)
		return
	}
	check(v, *value)
}
