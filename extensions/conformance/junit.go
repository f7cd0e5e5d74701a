package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The form is that of JUnit's Ant task, as Jenkins' JUnit plugin and the readers
// for GitHub and GitLab take it: one suite, a case for each scenario.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	Skipped   *junitSkipped `xml:"skipped,omitempty"`
	Failure   *junitFailure `xml:"failure,omitempty"`
	Output    string        `xml:"system-out,omitempty"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML. The figures are in each case's
// output, one a line.
func (r *Report) WriteJUnit(w io.Writer) error {
	name := strings.Join(r.Extensions, ",")
	suite := junitSuite{
		Name: "lambent extension test " + name, Tests: len(r.Results), Failures: r.Count(Fail), Skipped: r.Count(Skip),
		Time: seconds(r.Took), Timestamp: r.Began.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, result := range r.Results {
		suite.Cases = append(suite.Cases, junitOf(result, name))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	all := junitSuites{
		Name: "lambent extension test", Tests: suite.Tests, Failures: suite.Failures, Skipped: suite.Skipped,
		Time: suite.Time, Suites: []junitSuite{suite},
	}
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(r Result, class string) junitCase {
	c := junitCase{Name: r.Name, ClassName: "extension." + strings.ReplaceAll(class, ".", "_"), Time: seconds(r.Took)}
	switch r.Outcome {
	case Skip:
		c.Skipped = &junitSkipped{oneLine(r.Seen)}
	case Fail:
		c.Failure = &junitFailure{
			Message: oneLine(r.Seen), Type: "conformance",
			Text: fmt.Sprintf("tried:    %s\nexpected: %s\nseen:     %s\n%s", r.What, r.Expect, oneLine(r.Seen), printableLines(r.Output)),
		}
	}
	var out strings.Builder
	if r.Outcome == Pass {
		fmt.Fprintln(&out, oneLine(r.Seen))
	}
	for _, f := range r.Figures {
		fmt.Fprintln(&out, f)
	}
	c.Output = out.String()
	return c
}

func printableLines(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&out, "| %s\n", printable(line))
	}
	return out.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
