package catalogue

// Get returns the version that the qualifier means: "" and $LATEST the
// unpublished one as last configured, an alias the version it points to.
func (c *Catalogue) Get(name, qualifier string) (Version, error) {
	f := c.lookup(name)
	if f == nil {
		return Version{}, c.notFound(name, qualifier)
	}
	number := qualifier
	if a, ok := f.aliases[qualifier]; ok {
		number = a.Version
	}
	v := f.version(number)
	if v == nil {
		return Version{}, c.notFound(name, qualifier)
	}
	return v.clone(), nil
}

// Resolve returns what an invocation runs. For $LATEST that is, while an update
// is in progress or has failed, what was last successful. An alias with weights
// picks by dice, a number in [0,1). Errors: *NotFoundError, *NotReadyError.
func (c *Catalogue) Resolve(name, qualifier string, dice float64) (Version, error) {
	if qualifier == "" {
		qualifier = Latest // the service names it in the message
	}
	f := c.lookup(name)
	if f == nil {
		return Version{}, c.notFound(name, qualifier)
	}
	number := qualifier
	if a, ok := f.aliases[qualifier]; ok {
		number = a.pick(dice)
	}
	v := f.version(number)
	if v == nil {
		return Version{}, c.notFound(name, qualifier)
	}
	if number == Latest && f.serving != nil {
		v = f.serving
	}
	if v.State == StatePending && v.AsksForSnapshot() {
		return Version{}, &NotReadyError{State: v.State, Snapshot: true, Message: "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."}
	}
	if v.State != StateActive {
		return Version{}, &NotReadyError{State: v.State, Message: "The operation cannot be performed at this time. The function is currently in the following state: " + v.State}
	}
	return v.clone(), nil
}

// pick throws the dice: weights take the lower end.
func (a Alias) pick(dice float64) string {
	for number, weight := range a.Weights { // at most one
		if dice < weight {
			return number
		}
		dice -= weight
	}
	return a.Version
}
