package lambdaapi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// PublishLayerVersionRequest is the request of PublishLayerVersion.
type PublishLayerVersionRequest struct {
	Description             string        `json:"Description,omitempty"`
	Content                 *LayerContent `json:"Content"`
	CompatibleRuntimes      []string      `json:"CompatibleRuntimes,omitempty"`
	CompatibleArchitectures []string      `json:"CompatibleArchitectures,omitempty"`
	LicenseInfo             string        `json:"LicenseInfo,omitempty"`
}

// LayerContent carries the archive. There is no object store here, so only ZipFile
// can be followed.
type LayerContent struct {
	ZipFile  Blob   `json:"ZipFile,omitempty"`
	S3Bucket string `json:"S3Bucket,omitempty"`
	S3Key    string `json:"S3Key,omitempty"`
}

// LayerVersion is a layer version as lists tell it, and all but Content of what
// GetLayerVersion tells.
type LayerVersion struct {
	LayerVersionArn         string   `json:"LayerVersionArn"`
	Version                 int64    `json:"Version"`
	Description             string   `json:"Description"`
	CreatedDate             string   `json:"CreatedDate"`
	CompatibleRuntimes      []string `json:"CompatibleRuntimes,omitempty"`
	LicenseInfo             string   `json:"LicenseInfo,omitempty"`
	CompatibleArchitectures []string `json:"CompatibleArchitectures,omitempty"`
}

// LayerVersionResponse answers PublishLayerVersion, GetLayerVersion and
// GetLayerVersionByArn.
type LayerVersionResponse struct {
	LayerArn string               `json:"LayerArn"`
	Content  LayerContentLocation `json:"Content"`
	LayerVersion
}

// LayerContentLocation is where the archive can be downloaded.
type LayerContentLocation struct {
	Location   string `json:"Location"`
	CodeSha256 string `json:"CodeSha256"` // base64
	CodeSize   int64  `json:"CodeSize"`   // bytes
}

// ListLayerVersionsResponse is one page of ListLayerVersions.
type ListLayerVersionsResponse struct {
	NextMarker    string         `json:"NextMarker,omitempty"`
	LayerVersions []LayerVersion `json:"LayerVersions"`
}

// ListLayersResponse is one page of ListLayers.
type ListLayersResponse struct {
	NextMarker string      `json:"NextMarker,omitempty"`
	Layers     []LayerItem `json:"Layers"`
}

// LayerItem is a layer with its newest version that matches.
type LayerItem struct {
	LayerName             string       `json:"LayerName"`
	LayerArn              string       `json:"LayerArn"`
	LatestMatchingVersion LayerVersion `json:"LatestMatchingVersion"`
}

// Patterns of the API model, in the words of its error messages.
const (
	layerNamePattern = `(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`
	layerARNPattern  = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`
)

// Limits of the API model: characters, and members of lists.
const (
	maxLayerName     = 140
	maxLicense       = 512
	maxRuntimes      = 15
	maxArchitectures = 2
)

var (
	layerNameRegexp = whole(layerNamePattern)
	layerARNRegexp  = whole(layerARNPattern)
	layerPartRegexp = regexp.MustCompile(`^arn:[^:]+:lambda:([^:]+):([^:]+):layer:(.+)$`)
)

// ParseLayerName reads the LayerName of an operation, a bare name or the ARN of a
// layer. Function of the result is the layer's name. The error is a
// ValidationException that quotes the value.
func ParseLayerName(s string) (Name, error) {
	var v Violations
	v.Length("layerName", s, 1, maxLayerName)
	checkPattern(&v, "layerName", s, layerNameRegexp, layerNamePattern)
	if err := v.Err(); err != nil {
		return Name{}, err
	}
	if match := layerPartRegexp.FindStringSubmatch(s); match != nil {
		return Name{Region: match[1], Account: match[2], Function: match[3]}, nil
	}
	return Name{Function: s}, nil
}

// ParseLayerVersion reads the number in a path.
func ParseLayerVersion(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, Errorf(CodeSerialization, "VersionNumber cannot be read: %q is not an integer", s)
	}
	if n < 1 {
		return 0, Errorf(CodeInvalidParameter, "Layer Version Cannot be less than 1")
	}
	return n, nil
}

// CheckLayerARN holds the ARN of a layer version against the pattern.
func CheckLayerARN(arn string) error {
	var v Violations
	v.Length("arn", arn, 1, maxLayerName)
	checkPattern(&v, "arn", arn, layerARNRegexp, layerARNPattern)
	return v.Err()
}

// Validate holds the request against the API model.
func (r *PublishLayerVersionRequest) Validate() error {
	var v Violations
	if r.Content == nil {
		v.Missing("content")
	}
	checkDescription(&v, &r.Description)
	v.Length("licenseInfo", r.LicenseInfo, 0, maxLicense)
	if len(r.CompatibleRuntimes) > maxRuntimes {
		v.Add("compatibleRuntimes", list(r.CompatibleRuntimes), fmt.Sprintf("Member must have length less than or equal to %d", maxRuntimes))
	}
	if len(r.CompatibleArchitectures) > maxArchitectures {
		v.Add("compatibleArchitectures", list(r.CompatibleArchitectures), fmt.Sprintf("Member must have length less than or equal to %d", maxArchitectures))
	}
	for _, a := range r.CompatibleArchitectures {
		if a != "x86_64" && a != "arm64" {
			v.Add("compatibleArchitectures", list(r.CompatibleArchitectures), "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
			break
		}
	}
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case r.Content.S3Bucket != "" || r.Content.S3Key != "":
		return Errorf(CodeInvalidParameter, "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist")
	case len(r.Content.ZipFile) == 0:
		return Errorf(CodeInvalidParameter, "Please provide a source for layer content.")
	}
	return nil
}

func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

// checkLayers holds the layers of a function against the pattern.
func checkLayers(v *Violations, layers []string) {
	for _, arn := range layers {
		if !layerARNRegexp.MatchString(arn) {
			v.Add("layers", list(layers), "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "+layerARNPattern+", Member must not be null]")
			return
		}
	}
}
