package catalogue

import (
	"context"
	"maps"
	"regexp"
	"strconv"
)

var (
	aliasPattern  = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,128}$`)
	digitsPattern = regexp.MustCompile(`^[0-9]+$`)
)

// CreateAlias adds an alias. Errors: *NotFoundError when the function or a
// version is missing, *ConflictError when the name is taken, *InvalidError.
func (c *Catalogue) CreateAlias(ctx context.Context, name string, in AliasInput) (Alias, error) {
	if !aliasPattern.MatchString(in.Name) || digitsPattern.MatchString(in.Name) {
		return Alias{}, validation("name", in.Name, `Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	}
	a := Alias{
		FunctionName: name, Name: in.Name, ARN: c.qualified(name, in.Name),
		Version: in.Version, Description: in.Description,
		Weights: maps.Clone(in.Weights), RevisionID: c.cfg.NewRevision(),
	}
	err := c.edit(ctx, name, func(e *edit) error {
		if e.f == nil {
			return c.notFound(name, in.Version)
		}
		if err := e.checkAlias(a); err != nil {
			return err
		}
		if _, taken := e.f.aliases[a.Name]; taken {
			return &ConflictError{"Alias already exists: " + a.ARN}
		}
		e.putAlias(a)
		return nil
	})
	if err != nil {
		return Alias{}, err
	}
	return a.clone(), nil
}

// checkAlias holds an alias against the rules of AliasRoutingConfiguration.
func (e *edit) checkAlias(a Alias) error {
	if a.Version == "" {
		return invalid("FunctionVersion", "The FunctionVersion of an alias must not be empty.")
	}
	for number, weight := range a.Weights {
		if !digitsPattern.MatchString(number) {
			return validation("routingConfig.additionalVersionWeights", showWeights(a.Weights), "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
		}
		if !(weight >= 0 && weight <= 1) { // NaN is neither
			return validation("routingConfig.additionalVersionWeights", showWeights(a.Weights), "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
		}
	}
	if len(a.Weights) > 1 {
		return invalid("RoutingConfig", "Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	if e.f.version(a.Version) == nil {
		return e.c.notFound(e.name, a.Version)
	}
	for number := range a.Weights {
		switch {
		case a.Version == Latest:
			return invalid("RoutingConfig", "$LATEST is not supported for an alias pointing to more than 1 version")
		case number == a.Version:
			return invalid("RoutingConfig", "Invalid function version %s. Function version %s is already included in routing configuration.", number, number)
		case e.f.version(number) == nil:
			return e.c.notFound(e.name, number)
		}
	}
	return nil
}

// showWeights prints a map as the service's messages do: {2=0.5}.
func showWeights(w map[string]float64) string {
	s := ""
	for number, weight := range w {
		if s != "" {
			s += ", "
		}
		text := strconv.FormatFloat(weight, 'f', -1, 64)
		if weight == float64(int64(weight)) {
			text += ".0"
		}
		s += number + "=" + text
	}
	return "{" + s + "}"
}

// GetAlias returns one alias.
func (c *Catalogue) GetAlias(name, alias string) (Alias, error) {
	if f := c.lookup(name); f != nil {
		if a, ok := f.aliases[alias]; ok {
			return a.clone(), nil
		}
	}
	return Alias{}, &NotFoundError{"Cannot find alias arn: " + c.qualified(name, alias)}
}

// UpdateAlias changes an alias; it gets a new revision. Errors as CreateAlias,
// and *PreconditionError.
func (c *Catalogue) UpdateAlias(ctx context.Context, name, alias string, in AliasPatch) (Alias, error) {
	var result Alias
	err := c.edit(ctx, name, func(e *edit) error {
		missing := &NotFoundError{"Alias not found: " + c.qualified(name, alias)}
		if e.f == nil {
			return missing
		}
		a, ok := e.f.aliases[alias]
		if !ok {
			return missing
		}
		if err := checkRevision(in.RevisionID, a.RevisionID); err != nil {
			return err
		}
		set(&a.Version, in.Version)
		set(&a.Description, in.Description)
		if in.Weights != nil {
			a.Weights = maps.Clone(*in.Weights)
		}
		if err := e.checkAlias(a); err != nil {
			return err
		}
		a.RevisionID = c.cfg.NewRevision()
		e.putAlias(a)
		result = a
		return nil
	})
	return result.clone(), err
}

// DeleteAlias removes an alias. One that does not exist is no error, as with
// the service; a missing function is.
func (c *Catalogue) DeleteAlias(ctx context.Context, name, alias string) error {
	return c.editExisting(ctx, name, func(e *edit) error {
		e.dropAlias(alias)
		return nil
	})
}
