package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// document reads one of the repository's own documents.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	// commandLine is a call of the program, however the document has it started,
	// up to the end of the line or of the inline code.
	commandLine = regexp.MustCompile("(?m)(?:\\./|/cmd/|`|^ +)lambent ([a-z]+)([^`\n]*)")
	flagName    = regexp.MustCompile(`(?:^|[\s` + "`" + `])--?([a-z][a-z-]*)`)
	// others are lines that call somebody else's program.
	others = regexp.MustCompile("`(?:go|task|aws) [^`]*`" + `|(?m)^ *(?:aws|clang|go test|go build|go tool|export|curl|zip) .*$|version 1 does not know|--cli-binary-format|--endpoint-url`)
)

// commands returns every command under one, at any depth.
func commands(c *cobra.Command) (all []*cobra.Command) {
	for _, sub := range c.Commands() {
		all = append(append(all, sub), commands(sub)...)
	}
	return all
}

// unknownFlags returns the command lines of a text that do not parse as flags of
// the command, and inline flags that no command has.
func unknownFlags(root *cobra.Command, text string) (unknown []string) {
	text = others.ReplaceAllString(text, "")
	anywhere := map[string]bool{"help": true, "version": true}
	for _, c := range commands(root) {
		for _, f := range flagName.FindAllStringSubmatch(c.Flags().FlagUsages(), -1) {
			anywhere[f[1]] = true
		}
	}
	for _, f := range flagName.FindAllStringSubmatch(text, -1) {
		if len(f[1]) > 1 && !anywhere[f[1]] {
			unknown = append(unknown, "--"+f[1])
		}
	}
	for _, line := range commandLine.FindAllStringSubmatch(text, -1) {
		c, _, err := root.Find(append(line[1:2:2], strings.Fields(line[2])...))
		if err != nil || c == root {
			unknown = append(unknown, line[0])
			continue
		}
		for _, f := range flagName.FindAllStringSubmatch(line[2], -1) {
			if c.Flags().Lookup(f[1]) == nil && (len(f[1]) > 1 || c.Flags().ShorthandLookup(f[1]) == nil) {
				unknown = append(unknown, line[0]+": "+f[0])
			}
		}
	}
	return unknown
}

// rootCommand is the program with the commands that cobra adds.
func rootCommand() *cobra.Command {
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

func TestTheReadmeNamesEveryCommandAndNoOther(t *testing.T) {
	root := rootCommand()
	readme := document(t, "README.md")
	named := map[string]bool{}
	for _, line := range commandLine.FindAllStringSubmatch(readme, -1) {
		named[line[1]] = true
	}
	for _, c := range root.Commands() {
		if !named[c.Name()] {
			t.Errorf("README.md does not show lambent %s", c.Name())
		}
	}
	texts := map[string]string{"README.md": readme, "CONTRIBUTING.md": document(t, "CONTRIBUTING.md"), "CHANGELOG.md": document(t, "CHANGELOG.md"), "help": root.Long}
	for _, c := range commands(root) {
		if c.Parent().Name() == "completion" {
			continue // cobra wrote these, and they name the flags of other programs
		}
		texts["help "+c.CommandPath()] = c.Long + "\n" + c.Example
	}
	for name, text := range texts {
		if unknown := unknownFlags(root, text); len(unknown) > 0 {
			t.Errorf("%s has what lambent does not: %q", name, unknown)
		}
	}
}

func TestUnknownFlagsAreFound(t *testing.T) {
	root := rootCommand()
	for text, want := range map[string]int{
		"    ./lambent serve --data d --idle 5m\n":              0,
		"    ./lambent build -o hello.wasm ./functions/hello\n": 0,
		"    aws lambda invoke --function-name f\n":             0,
		"see `lambent invoke --log`, and `--keep`":              0,
		"    ./lambent serve --memory 5\n":                      1,
		"    ./lambent bench share --plot share.svg\n":          0,
		"    ./lambent bench share --rounds 5\n":                1,
		"    ./lambent bench --plot share.svg\n":                1,
		"    ./lambent build -x hello\n":                        1,
		"see `lambent frobnicate` and `--colour`":               2,
		"    go run ./host/cmd/lambent demos\n":                 1,
	} {
		if got := unknownFlags(root, text); len(got) != want {
			t.Errorf("%q: found %q, want %d", text, got, want)
		}
	}
}
