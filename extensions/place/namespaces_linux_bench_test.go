package place

import (
	"testing"
	"time"
)

// BenchmarkOpen measures what a room costs, with one process that does nothing in it:
// how long it takes to make it, to run the process, and to close it.
func BenchmarkOpen(b *testing.B) {
	for _, isolation := range []Isolation{None, Network, Full} {
		b.Run(string(isolation), func(b *testing.B) {
			p, err := New(b.Context(), Config{Isolation: isolation})
			if err != nil {
				b.Skip(err)
			}
			var phases [3]time.Duration
			for b.Loop() {
				began := time.Now()
				lap := func(phase int) {
					phases[phase] += time.Since(began)
					began = time.Now()
				}
				room, listener, err := p.Open(b.Context(), Environment{Extensions: []string{"/bin/true"}, Tmp: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				lap(0)
				process, err := room.Start(Command{Path: "/bin/true", Stdout: &lines{}, Stderr: &lines{}})
				if err != nil {
					b.Fatal(err)
				}
				process.Wait()
				lap(1)
				listener.Close()
				if err := room.Close(); err != nil {
					b.Fatal(err)
				}
				lap(2)
			}
			for i, name := range []string{"open", "run", "close"} {
				b.ReportMetric(phases[i].Seconds()*1000/float64(b.N), name+"-ms/op")
			}
		})
	}
}
