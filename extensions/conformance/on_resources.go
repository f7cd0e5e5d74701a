package conformance

import (
	"context"
)

var resourceScenarios = []Scenario{
	{
		Name: "memory", What: "the function is invoked twice as often as in invocations, and the processes' resident memory is looked at on the way",
		Expect: "in the second half it grows by no more than 64 KiB for each invocation, or 8 MiB in all",
		needs:  []need{aNormalLife, visibleProcesses},
		run: func(ctx context.Context, b *Bench) Verdict {
			return growth(ctx, b, "resident memory", unitKiB, growthLimit{each: 64, free: 8 << 10}, func(all []proc) (sum int64) {
				for _, p := range all {
					sum += p.residentKiB()
				}
				return sum
			})
		},
	},
	{
		Name: "descriptors", What: "the function is invoked twice as often as in invocations, and the processes' open files are counted on the way",
		Expect: "in the second half there are no more than 10 more, or one for each ten invocations",
		needs:  []need{aNormalLife, visibleProcesses},
		run: func(ctx context.Context, b *Bench) Verdict {
			return growth(ctx, b, "open files", unitCount, growthLimit{each: 0.1, free: 10}, func(all []proc) (sum int64) {
				for _, p := range all {
					sum += int64(p.descriptors())
				}
				return sum
			})
		},
	},
}

// growthLimit is how much more there may be after some invocations.
type growthLimit struct {
	each float64 // for each invocation
	free float64 // or this in all, if that is more
}

func (l growthLimit) of(invocations int) float64 { return max(l.free, l.each*float64(invocations)) }

// fewest invocations that say something about growth.
const fewest = 40

func growth(ctx context.Context, b *Bench, what, unit string, limit growthLimit, measure func([]proc) int64) Verdict {
	return b.live(ctx, options{}, func(s *subject) Verdict {
		var samples []int64
		done, err := s.invokeWhile(ctx, 2*b.cfg.Invocations, func(int) { samples = append(samples, measure(processes(s.mark))) })
		if err != nil {
			return fail("%v", err)
		}
		if done < fewest {
			return skip("only %d invocations fitted into the time of the scenario: too few to tell", done)
		}
		first, middle, last := samples[0], samples[done/2], samples[done-1]
		grew := float64(last - middle)
		figures := []Figure{
			count("invocations", done), {what + " at first", float64(first), unit},
			{what + " half-way", float64(middle), unit}, {what + " at last", float64(last), unit},
		}
		verdict := pass("%s: %d %s at first, %d half-way, %d after %d invocations", what, first, unit, middle, last, done)
		if allowed := limit.of(done - done/2); grew > allowed {
			verdict = fail("%s grew by %.0f %s in the last %d invocations, more than %.0f: %d, %d, %d", what, grew, unit, done-done/2, allowed, first, middle, last)
		}
		return verdict.with(figures...)
	})
}
