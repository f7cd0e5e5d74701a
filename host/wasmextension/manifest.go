package wasmextension

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/host/attachment"
	"github.com/lambent-host/lambent/telemetry"
)

// Limits of a manifest's numbers.
const (
	defaultMemoryMB = 128
	minMemoryMB     = 16
	maxMemoryMB     = 10240
	defaultTimeout  = 5
	maxTimeout      = 60
)

// minPatience is how long a batch is tried at least, again and again.
const minPatience = 10 * time.Second

// Manifest is NAME.json beside NAME.wasm. All of it is optional.
type Manifest struct {
	attachment.Attachment
	// SchemaVersion is that of the events; 2022-12-13 if it is empty.
	SchemaVersion telemetry.Schema `json:"schemaVersion,omitempty"`
	// Types are the categories of events; empty means all.
	Types []telemetry.Category `json:"types,omitempty"`
	// Buffering has the bounds and defaults of a telemetry subscription.
	Buffering *extapi.BufferingRequest `json:"buffering,omitempty"`
	// AllowHosts are the host:port that it reaches, "collector.example:4318" or
	// "*.example.com:443". One that is named by its address may be on any network; a
	// name must not lead to this machine, to link-local addresses or to a cloud's
	// metadata service.
	AllowHosts []string `json:"allowHosts,omitempty"`
	// MemorySize is in MB, 16 to 10240, and says its share of the CPU as well.
	MemorySize int `json:"memorySize,omitempty"`
	// Timeout is how long it may take for a batch, in seconds, 1 to 60.
	Timeout int `json:"timeout,omitempty"`
}

// ParseManifest reads a manifest strictly and fills in the defaults. The error names
// the file and every fault.
func ParseManifest(file string, data []byte) (Manifest, error) {
	m := Manifest{}
	if err := attachment.Decode(file, data, &m); err != nil {
		return m, err
	}
	m.setDefaults()
	if err := m.validate(); err != nil {
		return m, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func (m *Manifest) setDefaults() {
	if m.SchemaVersion == "" {
		m.SchemaVersion = telemetry.Schema20221213
	}
	if len(m.Types) == 0 {
		m.Types = []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction, telemetry.CategoryExtension}
	}
	if m.MemorySize == 0 {
		m.MemorySize = defaultMemoryMB
	}
	if m.Timeout == 0 {
		m.Timeout = defaultTimeout
	}
}

func (m *Manifest) validate() error {
	faults := []error{m.Attachment.Validate()}
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if m.MemorySize < minMemoryMB || m.MemorySize > maxMemoryMB {
		fault("memorySize: %d is not from %d to %d", m.MemorySize, minMemoryMB, maxMemoryMB)
	}
	if m.Timeout < 1 || m.Timeout > maxTimeout {
		fault("timeout: %d is not from 1 to %d", m.Timeout, maxTimeout)
	}
	for i, host := range m.AllowHosts {
		if _, err := parseAllowed(host); err != nil {
			fault("allowHosts[%d]: %w", i, err)
		}
	}
	if _, err := m.subscription(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// patience is how long a batch is tried: at least once for its whole Timeout.
func (m *Manifest) patience() time.Duration {
	return max(minPatience, time.Duration(m.Timeout)*time.Second)
}

// subscription has the rest checked by those who know the rules: it is the one that
// an extension process would make.
func (m *Manifest) subscription() (extapi.Subscription, error) {
	body, err := json.Marshal(extapi.SubscriptionRequest{
		SchemaVersion: m.SchemaVersion, Types: m.Types, Buffering: m.Buffering,
		Destination: extapi.DestinationRequest{Protocol: extapi.ProtocolTCP, Port: 1}, // not looked at
	})
	if err != nil {
		return extapi.Subscription{}, err
	}
	sub, err := extapi.DecodeSubscription(body)
	var refused *extapi.Error
	if errors.As(err, &refused) {
		return sub, errors.New(refused.Message)
	}
	return sub, err
}

// allowed is a host:port that may be reached.
type allowed struct {
	host   string // lower case; an address or a name; below it, if below is set
	below  bool
	port   string
	direct bool // it is an address, or localhost
}

func parseAllowed(text string) (allowed, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return allowed{}, fmt.Errorf("%q is not host:port", text)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return allowed{}, fmt.Errorf("%q has no port from 1 to 65535", text)
	}
	// As a request has them: "+80" and a dot at the end would name what nobody asks for.
	a := allowed{host: strings.TrimSuffix(strings.ToLower(host), "."), port: strconv.Itoa(n)}
	if rest, ok := strings.CutPrefix(a.host, "*."); ok {
		a.host, a.below = rest, true
	}
	if a.host == "" || strings.ContainsAny(a.host, "*/ @") {
		return allowed{}, fmt.Errorf("%q is not a host, nor one below a domain (*.example.com:443)", text)
	}
	a.direct = net.ParseIP(a.host) != nil || a.host == "localhost"
	if a.direct && a.below {
		return allowed{}, fmt.Errorf("%q: an address has no names below it", text)
	}
	return a, nil
}

// matches tells whether a host and port are meant, and whether the host is one that
// was named as an address.
func matches(all []allowed, host, port string) (ok, direct bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	i := slices.IndexFunc(all, func(a allowed) bool {
		if a.port != port {
			return false
		}
		if a.below {
			return strings.HasSuffix(host, "."+a.host)
		}
		return host == a.host
	})
	if i < 0 {
		return false, false
	}
	return true, all[i].direct
}
