package layer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestResolveRefusesInTheServicesWords(t *testing.T) {
	f := newFixture(t)
	one, two, gone := f.publish("l", "a", "1"), f.publish("l", "a", "2"), f.publish("gone", "a", "1")
	if err := f.Delete(t.Context(), "gone", 1); err != nil {
		t.Fatal(err)
	}
	for want, arns := range map[string][]string{
		"Cannot reference more than 5 layers.":                                                              make([]string, 6),
		"Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:3 does not exist.":                     {one.LayerARN() + ":3"},
		"Layer version arn:aws:lambda:us-east-1:000000000000:layer:gone:1 does not exist.":                  {gone.ARN},
		"Layer version arn:aws:lambda:us-east-1:111111111111:layer:l:1 does not exist.":                     {"arn:aws:lambda:us-east-1:111111111111:layer:l:1"},
		"Layer version nonsense does not exist.":                                                            {"nonsense"},
		"Layers are not in the same region as the function. Layers are expected to be in region us-east-1.": {"arn:aws:lambda:eu-west-1:000000000000:layer:l:1"},
		"Two different versions of the same layer are not allowed to be referenced in the same function. " + one.ARN + " and " + two.ARN + " are versions of the same layer.": {one.ARN, two.ARN},
	} {
		_, err := f.Resolve(arns)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Message != want {
			t.Errorf("%v:\n %v, want\n %s", arns, err, want)
		}
	}
	if got, err := f.Resolve([]string{two.ARN}); err != nil || len(got) != 1 || got[0].Number != 2 {
		t.Errorf("resolved %+v, %v", got, err)
	}
}

func TestListsComeInPages(t *testing.T) {
	f := newFixture(t)
	for i := range 3 {
		f.publish("b", "a", fmt.Sprint(i))
	}
	f.publish("a", "a", "1")
	if _, err := f.Publish(t.Context(), "c", Input{Archive: archive(t, "a", "1"), Runtimes: []string{"provided.al2023"}, Architectures: []string{"arm64"}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), "b", 2); err != nil {
		t.Fatal(err)
	}
	show := func(page []Version, next string) string {
		var names []string
		for _, v := range page {
			names = append(names, fmt.Sprintf("%s:%d", v.Name, v.Number))
		}
		return strings.Join(names, " ") + " next=" + next
	}
	for got, want := range map[string]string{
		show(f.Versions("b", Filter{}, "", 0)):                        "b:3 b:1 next=",
		show(f.Versions("b", Filter{}, "", 1)):                        "b:3 next=3",
		show(f.Versions("b", Filter{}, "3", 1)):                       "b:1 next=",
		show(f.Versions("none", Filter{}, "", 0)):                     " next=",
		show(f.Layers(Filter{}, "", 2)):                               "a:1 b:3 next=b",
		show(f.Layers(Filter{}, "b", 2)):                              "c:1 next=",
		show(f.Layers(Filter{Runtime: "provided.al2023"}, "", 0)):     "c:1 next=",
		show(f.Layers(Filter{Architecture: "x86_64"}, "", 0)):         " next=",
		show(f.Versions("c", Filter{Architecture: "arm64"}, "", 100)): "c:1 next=",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
