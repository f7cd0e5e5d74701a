// Command files does to its file system what each line of its input says, and
// prints for each line how that went: "ok", with what was read, or the error.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		out, err := do(words[0], words[1], strings.Join(words[2:], " "))
		if err != nil {
			out = "error " + err.Error()
		} else {
			out = strings.TrimSpace("ok " + out)
		}
		fmt.Println(out)
	}
}

func do(op, path, arg string) (string, error) {
	switch op {
	case "read":
		b, err := os.ReadFile(path)
		return string(b), err
	case "write":
		return "", os.WriteFile(path, []byte(arg), 0o644)
	case "append":
		return "", appendTo(path, arg)
	case "truncate":
		return "", os.Truncate(path, 2)
	case "grow":
		size, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return "", err
		}
		return "", os.Truncate(path, size)
	case "hold":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return "", err
		}
		return "", hold(path, n)
	case "mkdir":
		return "", os.Mkdir(path, 0o755)
	case "remove":
		return "", os.Remove(path)
	case "rename":
		return "", os.Rename(path, arg)
	case "symlink":
		return "", os.Symlink(arg, path)
	case "link":
		return "", os.Link(arg, path)
	case "readlink":
		return os.Readlink(path)
	case "chtimes":
		return "", os.Chtimes(path, time.Unix(1000, 0), time.Unix(2000, 0))
	case "stat":
		st, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(st.Size(), st.IsDir(), st.ModTime().Unix()), nil
	case "list":
		return list(path)
	}
	return "", fmt.Errorf("unknown %s", op)
}

// hold opens a file n times before it closes any.
func hold(path string, n int) error {
	for range n {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	_, err = f.WriteString("!")
	return err
}

func list(path string) (string, error) {
	entries, err := os.ReadDir(path)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " "), err
}
