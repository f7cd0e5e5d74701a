package conformance

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// mixed is a report with one result of each kind, and with what may break a
// format in its texts.
func mixed() *Report {
	return &Report{
		Extensions: []string{"my.ext", "other"}, Place: "somewhere",
		Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), Took: 1500 * time.Millisecond,
		Results: []Result{
			{Scenario{Name: "one", What: "a < b", Expect: "b > a"}, pass("all \x1b[31mwell").with(ms("latency", time.Millisecond), count("events", 3)), time.Second, nil},
			{Scenario{Name: "two", What: `"x" & y`, Expect: "z"}, fail("it\nfailed ]]> \xff\x00").with(Figure{"memory", 17, unitKiB}), time.Second / 2, []string{"out \x07 <put>", "]]>"}},
			{Scenario{Name: "three"}, skip("no\tsink"), 0, nil},
		},
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := mixed().WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"pass  one               all ·[31mwell\n", "fail  two ", "      tried:    \"x\" & y\n      expected: z\n      | out · <put>\n",
		"skip  three             no sink\n", "\none       latency  1.00   ms\n", "\ntwo       memory   17     KiB\n",
		"my.ext, other: 1 passed, 1 failed, 1 skipped in 1.5 s, somewhere\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := mixed().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Extensions              []string
		Place                   string
		Began                   time.Time
		Seconds                 float64
		Passed, Failed, Skipped int
		Results                 []struct {
			Name, Outcome, What, Expected, Seen string
			Seconds                             float64
			Figures                             []Figure
			Output                              []string
		}
	}
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&read); err != nil {
		t.Fatal(err)
	}
	if len(read.Results) != 3 || read.Passed != 1 || read.Failed != 1 || read.Skipped != 1 || read.Seconds != 1.5 || read.Began.Hour() != 2 {
		t.Errorf("%+v", read)
	}
	two := read.Results[1]
	if two.Outcome != "fail" || two.Expected != "z" || two.Figures[0] != (Figure{"memory", 17, "KiB"}) || len(two.Output) != 2 {
		t.Errorf("%+v", two)
	}
	if read.Results[2].Figures == nil {
		t.Error("no figures are null and not a list")
	}
}

// TestJUnit holds the file to what its readers insist on: the elements and
// attributes of the Jenkins schema and no others, in its order; counts that add
// up; times as decimals; characters that XML has.
func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := mixed().WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(out.Bytes()) || !bytes.HasPrefix(out.Bytes(), []byte(`<?xml version="1.0" encoding="UTF-8"?>`)) {
		t.Error("it is not UTF-8 with a header")
	}
	allowed := map[string][]string{
		"testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
		"testsuite":  {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
		"testcase":   {"name", "classname", "time"},
		"failure":    {"message", "type"}, "skipped": {"message"}, "system-out": nil,
	}
	parents := map[string]string{"testsuites": "", "testsuite": "testsuites", "testcase": "testsuite", "failure": "testcase", "skipped": "testcase", "system-out": "testcase"}
	counts := map[string]int{}
	var path []string
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			counts[name]++
			parent := ""
			if len(path) > 0 {
				parent = path[len(path)-1]
			}
			if want, known := parents[name]; !known || want != parent {
				t.Errorf("%s is in %q", name, parent)
			}
			holdAttributes(t, e, allowed[name])
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	if counts["testcase"] != 3 || counts["failure"] != 1 || counts["skipped"] != 1 || counts["testsuite"] != 1 {
		t.Errorf("elements %v", counts)
	}
	for _, want := range []string{
		`tests="3" failures="1" errors="0" skipped="1" time="1.500" timestamp="2026-01-02T02:04:05"`,
		`<testcase name="two" classname="extension.my_ext,other" time="0.500">`, `message="it failed ]]&gt; `, "latency 1.00 ms&#xA;events 3 count",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func holdAttributes(t *testing.T, e xml.StartElement, allowed []string) {
	t.Helper()
	var got []string
	for _, a := range e.Attr {
		got = append(got, a.Name.Local)
		switch a.Name.Local {
		case "tests", "failures", "errors", "skipped":
			if _, err := strconv.Atoi(a.Value); err != nil {
				t.Errorf("%s: %v", e.Name.Local, err)
			}
		case "time":
			if _, err := strconv.ParseFloat(a.Value, 64); err != nil {
				t.Errorf("%s: %v", e.Name.Local, err)
			}
		}
	}
	if !slices.Equal(got, allowed) {
		t.Errorf("%s has %q, want %q", e.Name.Local, got, allowed)
	}
}

func TestQuantile(t *testing.T) {
	all := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(q, all); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if quantile(0.5, nil) != 0 || all[0] != 5 {
		t.Error("nothing has a quantile, or the list was changed")
	}
}
