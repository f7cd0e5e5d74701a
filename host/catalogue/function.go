package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambent-host/lambent/host/deployment"
)

// accept checks an upload and stores it; release as in codeFiles.put.
func (c *Catalogue) accept(code []byte) (upload, func(), error) {
	if err := c.judge(code); err != nil {
		return upload{}, nil, err
	}
	return c.code.put(code)
}

// judge refuses an upload that could never run.
func (c *Catalogue) judge(code []byte) error {
	if len(code) == 0 {
		return invalid("Code", "Please provide a source for function code.")
	}
	pkg, err := deployment.Open(code)
	if err != nil {
		return err
	}
	if err := c.cfg.Inspect(pkg.Wasm); err != nil {
		return invalid("Code", "The WebAssembly module cannot be run: %v", err)
	}
	return nil
}

// Create stores a new function. It is Pending until it is settled; with Publish,
// version 1 is made at once, is Pending too, and is what Create returns.
//
// Errors: *ConflictError when the name is taken, *InvalidError,
// *deployment.Error.
func (c *Catalogue) Create(ctx context.Context, in CreateInput) (Version, error) {
	settings := in.Settings.clone()
	settings.fill(in.Name)
	if err := checkName(in.Name); err != nil {
		return Version{}, err
	}
	if err := settings.check(); err != nil {
		return Version{}, err
	}
	if err := checkTags(in.Tags); err != nil {
		return Version{}, err
	}
	taken := &ConflictError{"Function already exist: " + in.Name}
	if c.lookup(in.Name) != nil { // before 50 MB are unpacked for nothing
		return Version{}, taken
	}
	up, release, err := c.accept(in.Code)
	if err != nil {
		return Version{}, err
	}
	defer release()
	var result Version
	err = c.edit(ctx, in.Name, func(e *edit) error {
		if e.f != nil {
			return taken
		}
		e.f = &function{next: 1, tags: maps.Clone(in.Tags)}
		e.f.latest = Version{
			FunctionName: in.Name, Version: Latest, FunctionARN: c.arn(in.Name), Settings: settings,
			State: StatePending, StateReason: reasonCreating, StateReasonCode: reasonCodeCreating,
		}
		e.setCode(up)
		e.touch()
		result = e.f.latest
		if in.Publish {
			result = e.publish("")
		}
		return nil
	})
	return result.clone(), err
}

func (e *edit) setCode(up upload) {
	l := &e.f.latest
	l.CodeSHA256, l.CodeDigest, l.CodeSize = up.sha256, up.digest, up.size
	l.LastModified = e.c.cfg.Now()
}

// begin prepares $LATEST for an update: the running version is kept aside until
// the new one is settled.
func (e *edit) begin(revisionID string) error {
	l := &e.f.latest
	if err := checkRevision(revisionID, l.RevisionID); err != nil {
		return err
	}
	if l.unsettled() {
		return &ConflictError{"The operation cannot be performed at this time. An update is in progress for resource: " + l.FunctionARN}
	}
	switch {
	case l.State == StateFailed: // never ran: it is created anew
		l.State, l.StateReason, l.StateReasonCode = StatePending, reasonCreating, reasonCodeCreating
	case l.LastUpdateStatus == UpdateSuccessful:
		serving := l.clone()
		e.f.serving = &serving
	}
	l.LastUpdateStatus = UpdateInProgress
	l.LastUpdateStatusReason, l.LastUpdateStatusReasonCode = reasonCreating, reasonCodeCreating
	l.LastModified = e.c.cfg.Now()
	e.touch()
	return nil
}

// UpdateCode gives $LATEST new code. What ran before runs on until the new code
// is settled. With Publish the new version is returned; it is Pending.
//
// Errors: *NotFoundError, *PreconditionError, *ConflictError while another
// update is in progress, *InvalidError, *deployment.Error.
func (c *Catalogue) UpdateCode(ctx context.Context, name string, in UpdateCodeInput) (Version, error) {
	f := c.lookup(name)
	if f == nil {
		return Version{}, c.notFound(name, "")
	}
	if err := checkRevision(in.RevisionID, f.latest.RevisionID); err != nil {
		return Version{}, err
	}
	if in.DryRun {
		return c.dryRun(f, in)
	}
	up, release, err := c.accept(in.Code)
	if err != nil {
		return Version{}, err
	}
	defer release()
	var result Version
	err = c.editExisting(ctx, name, func(e *edit) error {
		if err := e.begin(in.RevisionID); err != nil {
			return err
		}
		e.setCode(up)
		if len(in.Architectures) > 0 {
			e.f.latest.Architectures = slices.Clone(in.Architectures)
		}
		result = e.f.latest
		if in.Publish {
			result = e.publish("")
		}
		return nil
	})
	return result.clone(), err
}

func (c *Catalogue) dryRun(f *function, in UpdateCodeInput) (Version, error) {
	if err := c.judge(in.Code); err != nil {
		return Version{}, err
	}
	e := &edit{c: c, f: f.clone()}
	if err := e.begin(in.RevisionID); err != nil {
		return Version{}, err
	}
	e.setCode(digestOf(in.Code))
	if len(in.Architectures) > 0 {
		e.f.latest.Architectures = in.Architectures
	}
	result := e.f.latest.clone()
	result.LastModified, result.RevisionID = f.latest.LastModified, f.latest.RevisionID
	result.LastUpdateStatus = f.latest.LastUpdateStatus
	result.LastUpdateStatusReason, result.LastUpdateStatusReasonCode = f.latest.LastUpdateStatusReason, f.latest.LastUpdateStatusReasonCode
	result.State, result.StateReason, result.StateReasonCode = f.latest.State, f.latest.StateReason, f.latest.StateReasonCode
	return result, nil
}

// UpdateSettings changes the configuration of $LATEST; otherwise as UpdateCode.
func (c *Catalogue) UpdateSettings(ctx context.Context, name string, in SettingsPatch) (Version, error) {
	var result Version
	err := c.editExisting(ctx, name, func(e *edit) error {
		if err := e.begin(in.RevisionID); err != nil {
			return err
		}
		settings := e.f.latest.Settings.clone()
		in.apply(&settings)
		settings.fill(name)
		if err := settings.check(); err != nil {
			return err
		}
		e.f.latest.Settings = settings
		result = e.f.latest
		return nil
	})
	return result.clone(), err
}

// apply writes the fields that are set.
func (p *SettingsPatch) apply(s *Settings) {
	set(&s.Runtime, p.Runtime)
	set(&s.Role, p.Role)
	set(&s.Handler, p.Handler)
	set(&s.Description, p.Description)
	set(&s.MemorySize, p.MemorySize)
	set(&s.Timeout, p.Timeout)
	set(&s.EphemeralStorage, p.EphemeralStorage)
	set(&s.TracingMode, p.TracingMode)
	set(&s.SnapStartApplyOn, p.SnapStartApplyOn)
	set(&s.KMSKeyARN, p.KMSKeyARN)
	set(&s.DeadLetterTarget, p.DeadLetterTarget)
	set(&s.Logging, p.Logging)
	if p.Environment != nil {
		s.Environment = maps.Clone(*p.Environment)
	}
	if p.Layers != nil {
		s.Layers = slices.Clone(*p.Layers)
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Delete removes a whole function (empty qualifier) or one published version.
// A function that is created again under the name begins at version 1.
//
// Errors: *NotFoundError, *InvalidError for $LATEST and for an alias,
// *ConflictError for a version that an alias points to.
func (c *Catalogue) Delete(ctx context.Context, name, qualifier string) error {
	return c.editExisting(ctx, name, func(e *edit) error {
		if qualifier == "" {
			e.f = nil
			return nil
		}
		if qualifier == Latest {
			return invalid("Qualifier", "$LATEST version cannot be deleted without deleting the function.")
		}
		if _, isAlias := e.f.aliases[qualifier]; isAlias {
			return invalid("Qualifier", "Deletion of aliases is not currently supported.")
		}
		if e.f.version(qualifier) == nil {
			return c.notFound(name, qualifier)
		}
		if users := e.f.aliasesOf(qualifier); len(users) > 0 {
			return &ConflictError{fmt.Sprintf("Unable to delete version because the following aliases reference it: [%s]", strings.Join(users, ", "))}
		}
		e.dropVersion(qualifier)
		return nil
	})
}

// aliasesOf lists the aliases that send anything to the version, sorted.
func (f *function) aliasesOf(number string) (names []string) {
	for name, a := range f.aliases {
		if _, weighted := a.Weights[number]; weighted || a.Version == number {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
