package lambdaapi

import (
	"strings"
	"testing"
	"time"
)

const goodCreate = `{"FunctionName":"f","Runtime":"provided.al2023","Role":"arn:aws:iam::000000000000:role/r","Handler":"main.wasm","Code":{"ZipFile":"AGFzbQ=="}}`

// with returns goodCreate with members replaced or added ("null" removes one).
func with(members string) string {
	return strings.TrimSuffix(goodCreate, "}") + "," + members + "}"
}

func TestCreateFunctionIsAccepted(t *testing.T) {
	for _, body := range []string{
		goodCreate,
		strings.Replace(goodCreate, "AGFzbQ==", `AGFz\u0062Q==`, 1),
		with(`"Environment":{"Variables":{"A":"b"}},"Tags":{"a":"b"},"Publish":true`),
		with(`"SomethingNew":{"x":1}`), // members of later API versions are ignored
		with(`"VpcConfig":{"SubnetIds":[],"SecurityGroupIds":[]},"Layers":[],"FileSystemConfigs":[]`),
		with(`"Architectures":["arm64"],"MemorySize":10240,"Timeout":900,"EphemeralStorage":{"Size":10240}`),
		with(`"LoggingConfig":{"LogFormat":"JSON","ApplicationLogLevel":"WARN","SystemLogLevel":"DEBUG","LogGroup":"/my/group"},"TracingConfig":{"Mode":"Active"},"SnapStart":{"ApplyOn":"None"},"DeadLetterConfig":{"TargetArn":""},"KMSKeyArn":""`),
	} {
		var r CreateFunctionRequest
		if err := Decode([]byte(body), &r); err != nil {
			t.Errorf("%s: %v", body, err)
		} else if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", body, err)
		} else if string(r.Code.ZipFile) != "\x00asm" {
			t.Errorf("%s: code %q", body, r.Code.ZipFile)
		}
	}
}

func TestCreateFunctionIsRefused(t *testing.T) {
	const one = "1 validation error detected: Value "
	tests := []struct{ body, code, contains string }{
		{`{}`, CodeValidation, "3 validation errors detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null; Value null at 'code' failed to satisfy constraint: Member must not be null; Value null at 'role'"},
		{with(`"Role":"r1"`), CodeValidation, one + `'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`},
		{with(`"Timeout":0,"MemorySize":127`), CodeValidation, "2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		{with(`"Timeout":901`), CodeValidation, "'901' at 'timeout'"},
		{with(`"MemorySize":10241`), CodeValidation, "'10241' at 'memorySize'"},
		{with(`"EphemeralStorage":{"Size":511}`), CodeValidation, "'511' at 'ephemeralStorage.size'"},
		{with(`"Architectures":["X86_64"]`), CodeValidation, one + "'[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"},
		{with(`"Architectures":["x86_64","arm64"]`), CodeValidation, one + "'[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"},
		{with(`"Architectures":[]`), CodeValidation, "greater than or equal to 1"},
		{with(`"Handler":"a b"`), CodeValidation, "at 'handler'"},
		{with(`"Handler":"` + strings.Repeat("h", 129) + `"`), CodeValidation, "length less than or equal to 128"},
		{with(`"Description":"` + strings.Repeat("d", 257) + `"`), CodeValidation, "at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{with(`"SnapStart":{"ApplyOn":"invalidOption"}`), CodeValidation, one + "'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]"},
		{with(`"TracingConfig":{"Mode":"x"}`), CodeValidation, "at 'tracingConfig.mode'"},
		{with(`"LoggingConfig":{"LogFormat":"x","ApplicationLogLevel":"y","SystemLogLevel":"TRACE","LogGroup":"a b"}`), CodeValidation, "4 validation errors"},
		{with(`"KMSKeyArn":"x"`), CodeValidation, "at 'kMSKeyArn'"},
		{with(`"DeadLetterConfig":{"TargetArn":"x"}`), CodeValidation, "at 'deadLetterConfig.targetArn'"},
		{with(`"PackageType":"Tar"`), CodeValidation, "at 'packageType'"},
		{with(`"PackageType":"Image"`), CodeInvalidParameter, "PackageType Image is not supported"},
		{with(`"Code":{"ImageUri":"x"}`), CodeInvalidParameter, "Image"},
		{with(`"Code":null`), CodeValidation, "null at 'code'"},
		{with(`"Code":{"ZipFile":""}`), CodeInvalidParameter, "Please provide a source for function code."},
		{with(`"Runtime":null`), CodeInvalidParameter, "Runtime and Handler are mandatory"},
		{with(`"Handler":null`), CodeInvalidParameter, "Runtime and Handler are mandatory"},
		{with(`"Runtime":"PYTHON3.9"`), CodeInvalidParameter, "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023,"},
		{with(`"Runtime":"go1.x"`), CodeInvalidParameter, "The runtime parameter of go1.x is no longer supported for creating or updating"},
		{with(`"Layers":["arn:aws:lambda:us-east-1:000000000000:layer:l"]`), CodeValidation, "Value '[arn:aws:lambda:us-east-1:000000000000:layer:l]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length"},
		{with(`"VpcConfig":{"SubnetIds":["subnet-1"]}`), CodeInvalidParameter, "The subnet ID 'subnet-1' does not exist"},
		{with(`"VpcConfig":{"SecurityGroupIds":["sg-1"]}`), CodeInvalidParameter, "The security group 'sg-1' does not exist"},
		{with(`"FileSystemConfigs":[{"Arn":"x"}]`), CodeInvalidParameter, "FileSystemConfigs is not supported"},
		{with(`"DurableConfig":{"ExecutionTimeout":1}`), CodeInvalidParameter, "DurableConfig is not supported"},
		{with(`"CodeSigningConfigArn":"arn:x"`), CodeCodeSigningNotFound, "arn:x"},
		{`{"FunctionName":`, CodeSerialization, "Could not parse request body into json: Unexpected end-of-input"},
		{`[]`, CodeSerialization, "The request cannot be read: a JSON array cannot be converted to an object"},
		{with(`"MemorySize":"128"`), CodeSerialization, "^MemorySize cannot be read: a JSON string cannot be converted to an integer"},
		{with(`"Timeout":1.5`), CodeSerialization, "^Timeout cannot be read: a JSON number 1.5 cannot be converted to an integer"},
		{with(`"Environment":{"Variables":{"A":1}}`), CodeSerialization, "^Environment.Variables cannot be read: a JSON number cannot be converted to a string"},
		{with(`"Publish":"yes"`), CodeSerialization, "^Publish cannot be read: a JSON string cannot be converted to a boolean"},
		{with(`"Layers":"x"`), CodeSerialization, "^Layers cannot be read: a JSON string cannot be converted to an array"},
		{with(`"VpcConfig":{"SubnetIds":1}`), CodeSerialization, "^VpcConfig.SubnetIds cannot"},
		{with(`"Code":{"ZipFile":"%%%"}`), CodeSerialization, "ZipFile is not valid base64 (at character 0)"},
		{with(`"Code":{"ZipFile":5}`), CodeSerialization, "ZipFile must be a string in base64"},
	}
	for _, tt := range tests {
		var r CreateFunctionRequest
		err := Decode([]byte(tt.body), &r)
		if err == nil {
			err = r.Validate()
		}
		checkError(t, tt.body, err, tt.code, tt.contains)
	}
}

type validator interface{ Validate() error }

func TestOtherRequests(t *testing.T) {
	long := strings.Repeat("d", 257)
	tests := []struct {
		into     validator
		body     string
		code     string // "" = accepted
		contains string
	}{
		{&UpdateFunctionConfigurationRequest{}, ``, "", ""},
		{&UpdateFunctionConfigurationRequest{}, `{"Role":"r1","Timeout":0}`, CodeValidation, "2 validation errors"},
		{&UpdateFunctionConfigurationRequest{}, `{"Runtime":"x"}`, CodeInvalidParameter, "runtime"},
		{&UpdateFunctionConfigurationRequest{}, `{"VpcConfig":{"SubnetIds":["s"]}}`, CodeInvalidParameter, "subnet"},
		{&UpdateFunctionConfigurationRequest{}, `{"MemorySize":{}}`, CodeSerialization, "^MemorySize cannot be read: a JSON object cannot be converted to an integer"},
		{&UpdateFunctionCodeRequest{}, `{"ZipFile":"AAAA"}`, "", ""},
		{&UpdateFunctionCodeRequest{}, `{}`, CodeInvalidParameter, "Please provide a source for function code."},
		{&UpdateFunctionCodeRequest{}, `{"ImageUri":"x"}`, CodeInvalidParameter, "Please don't provide ImageUri when updating a function with packageType Zip."},
		{&UpdateFunctionCodeRequest{}, `{"S3Bucket":"b","S3Key":"k"}`, CodeInvalidParameter, "S3 Error Code: NoSuchBucket"},
		{&UpdateFunctionCodeRequest{}, `{"ZipFile":"AAAA","Architectures":["mips"]}`, CodeValidation, "architectures"},
		{&PublishVersionRequest{}, `{"Description":"` + long + `"}`, CodeValidation, "description"},
		{&CreateAliasRequest{}, `{"Name":"live","FunctionVersion":"1"}`, "", ""},
		{&CreateAliasRequest{}, `{"Name":"v1","FunctionVersion":"$LATEST"}`, "", ""},
		{&CreateAliasRequest{}, `{}`, CodeValidation, "2 validation errors detected: Value null at 'name'"},
		{&CreateAliasRequest{}, `{"Name":"2024","FunctionVersion":"1"}`, CodeValidation, `1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`},
		{&CreateAliasRequest{}, `{"Name":"a b","FunctionVersion":"x"}`, CodeValidation, "2 validation errors"},
		{&CreateAliasRequest{}, `{"Name":"a","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":"x"}}}`, CodeSerialization, "cannot be converted to a number"},
		{&UpdateAliasRequest{}, `{"FunctionVersion":"live"}`, CodeValidation, "functionVersion"},
		{&UpdateAliasRequest{}, `{"Description":"` + long + `"}`, CodeValidation, "description"},
		{&TagsDocument{}, `{}`, CodeValidation, "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"},
		{&TagsDocument{}, `{"Tags":{}}`, "", ""},
	}
	for _, tt := range tests {
		err := Decode([]byte(tt.body), tt.into)
		if err == nil {
			err = tt.into.Validate()
		}
		if tt.code == "" {
			if err != nil {
				t.Errorf("%T %s: %v", tt.into, tt.body, err)
			}
			continue
		}
		checkError(t, tt.body, err, tt.code, tt.contains)
	}
}

func TestPayloads(t *testing.T) {
	for _, ok := range []string{`{}`, `null`, ` "x" `, `[1,2]`, `"\u00e9é"`} {
		if err := CheckPayload([]byte(ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	const head = "Could not parse request body into json: Could not parse payload into json: "
	for _, tt := range []struct{ payload, want string }{
		{"", head + "Unexpected end-of-input\n at [line: 1, column: 1]"},
		{"{\"a\":\n  x}", head + "Unexpected character ('x' (code 120)): invalid character 'x' looking for beginning of value\n at [line: 2, column: 3]"},
		{"\x01", head + "Unexpected character ((CTRL-CHAR, code 1)): "},
		{"[\"a\xff\"]", head + "Invalid UTF-8 start byte 0xff\n at [line: 1, column: 4]"},
		{"{\"a\": 1", head + "Unexpected end-of-input\n at [line: 1, column: 8]"},
		{"{} {}", head + "Unexpected character ('{' (code 123))"},
	} {
		checkError(t, tt.payload, CheckPayload([]byte(tt.payload)), CodeInvalidRequestContent, tt.want)
	}
}

func TestLongValuesAreCut(t *testing.T) {
	var v Violations
	v.OneOf("mode", strings.Repeat("é", 5000), "a", "b")
	checkError(t, "long", v.Err(), CodeValidation, "...' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [a, b]")
	if n := len(v.Err().(*Error).Message); n > 1300 {
		t.Errorf("the message has %d bytes", n)
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 55, 16, 7_000_000, time.FixedZone("", 3600))
	if got, want := FormatTime(at), "2026-11-23T03:55:16.007+0000"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
