package meter

// What this file bounds, in units of static cost. How they make the proof is in
// the package comment; they may only be changed together with it.
const (
	// handed is the most that a function has not paid for where it calls.
	handed = 64
	// passing is the most that a function may do from entry to return without a
	// charge; who called it reckons with that much.
	passing = 40
	// leaving is the most that a function may do between its last check and its
	// return. On the way back from a recursion each frame does as much unasked.
	leaving = 64
	// stretch is the most that runs in a function between two checks.
	stretch = 512
	// carried is the most that is taken along into a loop, in whose turns it is paid
	// each time.
	carried = 8
	// headed is the most that a loop leaves to its header to pay; see loops.go.
	headed = 128
)

// never is the value of a path that does not exist.
const never = -1

// tally is the most that has run on any path to where the reader is. Each call
// that has returned counts with what its callee may have left to the caller.
type tally struct {
	through int64 // since entry, on paths without a charge
	paid    int64 // since the last charge, on the others
	unasked int64 // since entry, on paths without a check
	asked   int64 // since the last check, on the others
}

// nowhere is where no path leads.
var nowhere = tally{never, never, never, never}

func (t *tally) add(cost int64) {
	for _, p := range []*int64{&t.through, &t.paid, &t.unasked, &t.asked} {
		if *p >= 0 {
			*p += cost
		}
	}
}

// meet puts paths together.
func (t *tally) meet(o tally) {
	t.through, t.paid = max(t.through, o.through), max(t.paid, o.paid)
	t.unasked, t.asked = max(t.unasked, o.unasked), max(t.asked, o.asked)
}

// reached tells whether a path leads here.
func (t *tally) reached() bool { return t.unasked >= 0 || t.asked >= 0 }

// due is what a charge here has to take.
func (t *tally) due() int64 { return max(t.through, t.paid) }

// settle is a charge.
func (t *tally) settle(check bool) {
	t.through, t.paid = never, 0
	if check {
		t.unasked, t.asked = never, 0
	}
}

// A charge is a place where fuel is taken.
type charge struct {
	cost  int64
	check bool // also call the host when the fuel is used up
	first bool // it may be the first of its function: it pays for what is left, too
	block int  // it stands in, or whose header it leads to
}

// charge notes a charge of what is due, without an edit.
func (f *function) charge(check bool, block int) (index uint32) {
	f.charges = append(f.charges, charge{cost: f.now.due(), check: check, first: f.now.through >= 0, block: block})
	if f.now.reached() {
		f.now.settle(check)
	}
	return uint32(len(f.charges) - 1)
}

// pay inserts a charge at an offset. Where no path leads there is nothing to pay.
func (f *function) pay(at int, check bool) {
	if !f.now.reached() {
		return
	}
	index := f.charge(check, f.inside[len(f.inside)-1])
	f.edits = append(f.edits, edit{from: at, to: at, kind: editCharge, index: index})
}

// pause makes a check where too much has run without one.
func (f *function) pause(at int) {
	if f.now.asked > stretch || f.now.unasked > stretch {
		f.pay(at, true)
	}
}

// calls prepares a call, at an offset, of a function that charges. A check stands
// between the entry of a function and every such call in it: that is what cuts
// each recursion.
func (f *function) calls(at int) {
	f.leaves()
	if f.now.unasked >= 0 || f.now.due() > handed {
		f.pay(at, true)
	}
	f.left = max(f.left, f.now.paid) // the callee may never return
}

// returns prepares a return at an offset.
func (f *function) returns(at int) {
	if f.now.through > passing || f.now.unasked > passing || f.now.paid > leaving || f.now.asked > leaving {
		f.pay(at, true)
	}
	f.left, f.through = max(f.left, f.now.paid), max(f.through, f.now.through)
}

// settleLeft lets the first charges of the function pay for what runs behind the
// last.
func (f *function) settleLeft() {
	for i := range f.charges {
		if c := &f.charges[i]; c.first {
			c.cost += f.left
		}
	}
}
