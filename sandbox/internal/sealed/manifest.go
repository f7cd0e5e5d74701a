package sealed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// formVersion is raised when the manifest changes its form.
const formVersion = 1

// maxManifest bounds what is read of a manifest, in bytes.
const maxManifest = 1 << 20

// manifest is what is kept about an entry: one line of JSON, and on the next line
// its MAC.
type manifest struct {
	Version int               `json:"version"`
	Name    string            `json:"name"`
	Files   map[string]digest `json:"files"` // by path below the entry, with slashes
	Meta    json.RawMessage   `json:"meta"`
}

type digest struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func mac(key, line []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(line)
	return h.Sum(nil)
}

func (m manifest) seal(key []byte) ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	if len(line)+2*sha256.Size+2 > maxManifest {
		return nil, errors.New("the manifest is too large")
	}
	sum := mac(key, line)
	line = append(line, '\n')
	return append(hex.AppendEncode(line, sum), '\n'), nil
}

// openManifest reads what seal has written. What was written under another key,
// for another name, or by another form, is damage.
func openManifest(data, key []byte, name string) (manifest, error) {
	line, rest, found := bytes.Cut(data, []byte("\n"))
	sum, err := hex.DecodeString(string(bytes.TrimSuffix(rest, []byte("\n"))))
	if !found || err != nil || !hmac.Equal(sum, mac(key, line)) {
		return manifest{}, errors.New("its manifest is not authentic")
	}
	var m manifest
	if err := json.Unmarshal(line, &m); err != nil {
		return manifest{}, errors.New("its manifest is not JSON")
	}
	if m.Version != formVersion || m.Name != name {
		return manifest{}, fmt.Errorf("its manifest is of version %d and for %.80q", m.Version, m.Name)
	}
	for file, d := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(file)) || d.Size < 0 || len(d.SHA256) != 2*sha256.Size {
			return manifest{}, fmt.Errorf("its manifest has a bad line for %.80q", file)
		}
	}
	return m, nil
}
