package catalogue

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// versions creates fn with versions 1 and 2.
func (fx *fixture) versions() {
	fx.t.Helper()
	fx.active("fn")
	fx.publish("fn")
	fx.update("fn", "two")
	fx.settle("fn", nil)
	fx.publish("fn")
}

func TestAliasLife(t *testing.T) {
	fx := open(t)
	fx.versions()
	a, err := fx.CreateAlias(ctx, "fn", AliasInput{Name: "live", Version: "1", Description: "d"})
	if err != nil {
		t.Fatal(err)
	}
	want := Alias{FunctionName: "fn", Name: "live", ARN: fnARN + ":live", Version: "1", Description: "d", RevisionID: a.RevisionID}
	if !reflect.DeepEqual(a, want) || len(a.RevisionID) != 36 {
		t.Errorf("alias is %+v, want %+v", a, want)
	}
	if v := fx.get("fn", "live"); v.Version != "1" {
		t.Errorf("alias leads to %s", v.Version)
	}
	_, err = fx.CreateAlias(ctx, "fn", AliasInput{Name: "live", Version: "2"})
	refused[*ConflictError](t, err, "Alias already exists: "+fnARN+":live")
	_, err = fx.UpdateAlias(ctx, "fn", "live", AliasPatch{Version: ptr("2"), RevisionID: "wrong"})
	refused[*PreconditionError](t, err, errRevision.Message)
	b, err := fx.UpdateAlias(ctx, "fn", "live", AliasPatch{Version: ptr("2"), RevisionID: a.RevisionID})
	if err != nil || b.Version != "2" || b.Description != "d" || b.RevisionID == a.RevisionID {
		t.Errorf("updated alias is %+v, %v", b, err)
	}
	fx.reopen()
	if got, err := fx.GetAlias("fn", "live"); err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("after reopening: %+v, %v", got, err)
	}
	if err := fx.DeleteAlias(ctx, "fn", "live"); err != nil {
		t.Fatal(err)
	}
	fx.reopen()
	_, err = fx.GetAlias("fn", "live")
	refused[*NotFoundError](t, err, "Cannot find alias arn: "+fnARN+":live")
	_, err = fx.UpdateAlias(ctx, "fn", "live", AliasPatch{})
	refused[*NotFoundError](t, err, "Alias not found: "+fnARN+":live")
}

func TestAliasRules(t *testing.T) {
	fx := open(t)
	fx.versions()
	const weightKeys = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
	const weightValues = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
	const detected = "1 validation error detected: Value '"
	w := func(number string, weight float64) map[string]float64 { return map[string]float64{number: weight} }
	for name, c := range map[string]struct {
		in      AliasInput
		message string
	}{
		"digits":         {AliasInput{Name: "2024", Version: "1"}, detected + "2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"},
		"bad name":       {AliasInput{Name: "a b", Version: "1"}, detected + "a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"},
		"no version":     {AliasInput{Name: "a"}, "The FunctionVersion of an alias must not be empty."},
		"missing":        {AliasInput{Name: "a", Version: "42"}, "Function not found: " + fnARN + ":42"},
		"two weights":    {AliasInput{Name: "a", Version: "1", Weights: map[string]float64{"2": .1, "3": .1}}, "Number of items in AdditionalVersionWeights cannot be greater than 1"},
		"weight missing": {AliasInput{Name: "a", Version: "1", Weights: w("42", .1)}, "Function not found: " + fnARN + ":42"},
		"same":           {AliasInput{Name: "a", Version: "1", Weights: w("1", .1)}, "Invalid function version 1. Function version 1 is already included in routing configuration."},
		"on $LATEST":     {AliasInput{Name: "a", Version: "$LATEST", Weights: w("1", .1)}, "$LATEST is not supported for an alias pointing to more than 1 version"},
		"to $LATEST":     {AliasInput{Name: "a", Version: "1", Weights: w("$LATEST", .5)}, detected + "{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: " + weightKeys},
		"negative":       {AliasInput{Name: "a", Version: "1", Weights: w("2", -1)}, detected + "{2=-1.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: " + weightValues},
		"over one":       {AliasInput{Name: "a", Version: "1", Weights: w("2", 2)}, detected + "{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: " + weightValues},
		"not a number":   {AliasInput{Name: "a", Version: "1", Weights: w("2", math.NaN())}, detected + "{2=NaN}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: " + weightValues},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fx.CreateAlias(ctx, "fn", c.in)
			refused[error](t, err, c.message)
			var invalid *InvalidError
			if strings.HasPrefix(c.message, detected) {
				if invalid, _ = err.(*InvalidError); invalid == nil || !invalid.Validation || invalid.Field == "" {
					t.Errorf("error is %#v", err)
				}
			}
			if c.in.Name == "a" {
				if _, err := fx.CreateAlias(ctx, "fn", AliasInput{Name: "ok", Version: "$LATEST"}); err != nil {
					t.Fatal(err)
				}
				_, err := fx.UpdateAlias(ctx, "fn", "ok", AliasPatch{Version: &c.in.Version, Weights: &c.in.Weights})
				refused[error](t, err, c.message)
				if err := fx.DeleteAlias(ctx, "fn", "ok"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	_, err := fx.CreateAlias(ctx, "other", AliasInput{Name: "a", Version: "1"})
	refused[*NotFoundError](t, err, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:other:1")
	refused[*NotFoundError](t, fx.DeleteAlias(ctx, "other", "a"), "Function not found: arn:aws:lambda:us-east-1:123456789012:function:other")
	_, err = fx.GetAlias("other", "a")
	refused[*NotFoundError](t, err, "Cannot find alias arn: arn:aws:lambda:us-east-1:123456789012:function:other:a")
	_, err = fx.UpdateAlias(ctx, "other", "a", AliasPatch{})
	refused[*NotFoundError](t, err, "Alias not found: arn:aws:lambda:us-east-1:123456789012:function:other:a")
}

// TestWeightsShareInvocations: whatever the weight, the dice below it lead to
// the weighted version and the others to the alias's own.
func TestWeightsShareInvocations(t *testing.T) {
	fx := open(t)
	fx.versions()
	if _, err := fx.CreateAlias(ctx, "fn", AliasInput{Name: "live", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		weight := rapid.Float64Range(0, 1).Draw(rt, "weight")
		if _, err := fx.UpdateAlias(ctx, "fn", "live", AliasPatch{Weights: &map[string]float64{"2": weight}}); err != nil {
			rt.Fatal(err)
		}
		dice := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(rt, "dice")
		v, err := fx.Resolve("fn", "live", dice)
		if err != nil {
			rt.Fatal(err)
		}
		if want := map[bool]string{true: "2", false: "1"}[dice < weight]; v.Version != want {
			rt.Fatalf("weight %v, dice %v: version %s", weight, dice, v.Version)
		}
	})
	if a, err := fx.UpdateAlias(ctx, "fn", "live", AliasPatch{Weights: &map[string]float64{}}); err != nil || len(a.Weights) != 0 {
		t.Errorf("clearing weights: %+v, %v", a, err)
	}
}
