package conformance

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/internal/life"
)

// refusalGrace is how long an extension may take to give up when the platform
// refuses it: some try a few times more.
const refusalGrace = 5 * time.Second

var refusalScenarios = []Scenario{
	{
		Name: "register-refused", What: "the platform answers the register call with 403, as to a second one",
		Expect: "the extension ends instead of waiting for ever",
		needs:  []need{aNormalLife},
		run:    registerRefused,
	},
	{
		Name: "api-broken", What: "after the first invocation the platform answers next with 500, which means that the environment is beyond repair",
		Expect: "the extension ends promptly, as the Extensions API asks of it",
		needs:  []need{aNormalLife, asksFor(extapi.Invoke)},
		run:    apiBroken,
	},
	{
		Name: "resubscribe", What: "the platform answers each subscription with AlreadySubscribed, as to a second one",
		Expect: "the extension takes that for a success",
		needs:  []need{aNormalLife, anySubscription},
		run:    resubscribe,
	},
}

// refuse answers like the Extensions API.
func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a caller that is gone needs no answer
}

func registerRefused(ctx context.Context, b *Bench) Verdict {
	var tries atomic.Int64
	refusing := func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != extapi.PathRegister {
				api.ServeHTTP(w, r)
				return
			}
			tries.Add(1)
			refuse(w, http.StatusForbidden, `{"errorType":"Extension.InvalidExtensionState","errorMessage":"State transition from Registered to Registered failed. Error: State transition is not allowed"}`)
		})
	}
	return b.opened(options{faults: refusing}, func(s *subject) Verdict {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, refusalGrace)
		defer cancel()
		err := s.Start(limited)
		took := time.Since(began)
		figures := []Figure{count("register calls", tries.Load()), ms("end after a refusal", took)}
		switch failed := life.Died(err); {
		case failed != nil:
			return pass("it ended after %d ms and %d tries with %s", took.Milliseconds(), tries.Load(), failed.Reason).with(figures...)
		case err == nil:
			return fail("it counts as registered although it was refused") // the kit would be to blame
		}
		return fail("it was still running after %s and %d tries", refusalGrace, tries.Load()).with(figures...)
	})
}

func apiBroken(ctx context.Context, b *Bench) Verdict {
	var nexts, invoked atomic.Int64
	breaking := func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == extapi.PathNext && invoked.Load() > 0 {
				nexts.Add(1)
				refuse(w, http.StatusInternalServerError, `{"errorType":"InternalServerError","errorMessage":"Internal Server Error"}`)
				return
			}
			api.ServeHTTP(w, r)
		})
	}
	return b.live(ctx, options{faults: breaking}, func(s *subject) Verdict {
		began := time.Now()
		invoked.Store(1)
		limited, cancel := context.WithTimeout(ctx, refusalGrace)
		defer cancel()
		// It fails when the extension ends, and when it does not.
		err := s.invoke(ctx, 1, silent)
		if err == nil {
			return fail("the invocation ended although next was refused")
		}
		ended := s.await(limited, s.allExited)
		took := time.Since(began)
		figures := []Figure{count("next calls refused", nexts.Load()), ms("end after a refusal", took)}
		if !ended {
			return fail("it was still running after %s, and had called next %d times", refusalGrace, nexts.Load()).with(figures...)
		}
		return pass("it ended after %d ms: %s", took.Milliseconds(), s.exits()).with(figures...)
	})
}

func resubscribe(ctx context.Context, b *Bench) Verdict {
	already := func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == extapi.PathTelemetry || r.URL.Path == extapi.PathLogs {
				refuse(w, http.StatusOK, `"AlreadySubscribed"`)
				return
			}
			api.ServeHTTP(w, r)
		})
	}
	return b.live(ctx, options{faults: already}, func(s *subject) Verdict {
		return pass("it went on and asked for its first event")
	})
}
