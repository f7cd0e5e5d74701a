package httpapi

import (
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// describe tells all about a version. The ARN is qualified for published
// versions, as the service does.
func (a *api) describe(v catalogue.Version) *lambdaapi.FunctionConfiguration {
	c := a.summarize(v)
	c.State, c.StateReason, c.StateReasonCode = v.State, v.StateReason, v.StateReasonCode
	c.LastUpdateStatus = v.LastUpdateStatus
	c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = v.LastUpdateStatusReason, v.LastUpdateStatusReasonCode
	// There is one runtime for all, the host itself.
	c.RuntimeVersionConfig = &lambdaapi.RuntimeVersionConfig{RuntimeVersionArn: "arn:aws:lambda:" + a.cfg.Region + "::runtime:lambent"}
	return c
}

// summarize is what list operations tell: all but the states and the runtime
// version, as the service does.
func (a *api) summarize(v catalogue.Version) *lambdaapi.FunctionConfiguration {
	c := &lambdaapi.FunctionConfiguration{
		FunctionName:     v.FunctionName,
		FunctionArn:      v.FunctionARN,
		Runtime:          v.Runtime,
		Role:             v.Role,
		Handler:          v.Handler,
		CodeSize:         v.CodeSize,
		Description:      v.Description,
		Timeout:          v.Timeout,
		MemorySize:       v.MemorySize,
		LastModified:     lambdaapi.FormatTime(v.LastModified),
		CodeSha256:       v.CodeSHA256,
		Version:          v.Version,
		KMSKeyArn:        v.KMSKeyARN,
		TracingConfig:    &lambdaapi.TracingConfig{Mode: v.TracingMode},
		RevisionID:       v.RevisionID,
		PackageType:      "Zip",
		Architectures:    v.Architectures,
		EphemeralStorage: &lambdaapi.EphemeralStorage{Size: v.EphemeralStorage},
		SnapStart:        &lambdaapi.SnapStart{ApplyOn: v.SnapStartApplyOn, OptimizationStatus: a.optimization(v)},
		LoggingConfig: &lambdaapi.LoggingConfig{
			LogFormat: v.Logging.Format, ApplicationLogLevel: v.Logging.ApplicationLevel,
			SystemLogLevel: v.Logging.SystemLevel, LogGroup: v.Logging.Group,
		},
	}
	if v.Version != catalogue.Latest {
		c.FunctionArn = v.QualifiedARN()
	}
	if len(v.Environment) > 0 {
		c.Environment = &lambdaapi.Environment{Variables: v.Environment}
	}
	c.Layers = a.layersOf(v.Layers)
	if v.DeadLetterTarget != "" {
		c.DeadLetterConfig = &lambdaapi.DeadLetterConfig{TargetArn: v.DeadLetterTarget}
	}
	return c
}

// optimization is On once environments of the version are restored from a
// snapshot that it asked for. A snapshot that the host makes of its own accord
// is not told: who compares settings with what is there would see a change.
func (a *api) optimization(v catalogue.Version) string {
	if v.AsksForSnapshot() && v.Snapshot.Ready && !a.cfg.SnapStartOff {
		return "On"
	}
	return "Off"
}

// describeAlias tells all about an alias.
func describeAlias(al catalogue.Alias) *lambdaapi.AliasConfiguration {
	c := &lambdaapi.AliasConfiguration{
		AliasArn: al.ARN, Name: al.Name, FunctionVersion: al.Version,
		Description: al.Description, RevisionID: al.RevisionID,
	}
	if len(al.Weights) > 0 {
		c.RoutingConfig = &lambdaapi.RoutingConfig{AdditionalVersionWeights: al.Weights}
	}
	return c
}

// settingsOf reads the settings of a new function; what is not given is left to
// the catalogue's defaults.
func settingsOf(r *lambdaapi.CreateFunctionRequest) catalogue.Settings {
	var s catalogue.Settings
	p := patchOf(&r.FunctionSettings)
	p.Role = r.Role
	for _, field := range []struct {
		to   *string
		from *string
	}{
		{&s.Runtime, p.Runtime}, {&s.Role, p.Role}, {&s.Handler, p.Handler}, {&s.Description, p.Description},
		{&s.TracingMode, p.TracingMode}, {&s.SnapStartApplyOn, p.SnapStartApplyOn},
		{&s.KMSKeyARN, p.KMSKeyARN}, {&s.DeadLetterTarget, p.DeadLetterTarget},
	} {
		assign(field.to, field.from)
	}
	assign(&s.MemorySize, p.MemorySize)
	assign(&s.Timeout, p.Timeout)
	assign(&s.EphemeralStorage, p.EphemeralStorage)
	assign(&s.Environment, p.Environment)
	assign(&s.Logging, p.Logging)
	assign(&s.Layers, p.Layers)
	s.Architectures = r.Architectures
	return s
}

// patchOf reads the settings that are given.
func patchOf(r *lambdaapi.FunctionSettings) catalogue.SettingsPatch {
	p := catalogue.SettingsPatch{
		Runtime: r.Runtime, Handler: r.Handler, Description: r.Description,
		MemorySize: r.MemorySize, Timeout: r.Timeout, KMSKeyARN: r.KMSKeyArn, Layers: r.Layers,
	}
	if r.Environment != nil {
		p.Environment = &r.Environment.Variables
	}
	if r.DeadLetterConfig != nil {
		p.DeadLetterTarget = &r.DeadLetterConfig.TargetArn
	}
	if r.TracingConfig != nil {
		p.TracingMode = &r.TracingConfig.Mode
	}
	if r.EphemeralStorage != nil {
		p.EphemeralStorage = &r.EphemeralStorage.Size
	}
	if r.SnapStart != nil {
		p.SnapStartApplyOn = &r.SnapStart.ApplyOn
	}
	if l := r.LoggingConfig; l != nil {
		p.Logging = &catalogue.Logging{
			Format: l.LogFormat, ApplicationLevel: l.ApplicationLogLevel,
			SystemLevel: l.SystemLogLevel, Group: l.LogGroup,
		}
	}
	return p
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
