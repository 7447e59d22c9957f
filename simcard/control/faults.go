package control

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/simcard/fault"
)

// A Fault is a rule of PUT /v1/faults: which exchanges go wrong, and how.
// Exchanges are counted from the moment at which the rules were set. The first
// rule that means an exchange is applied to it.
type Fault struct {
	Do string `json:"do"` // what happens, such as "remove_after"

	Name      string `json:"name,omitempty"`      // commands of that name alone, such as "VERIFY"
	Presented *bool  `json:"presented,omitempty"` // VERIFY with data, or all but that
	Nth       int    `json:"nth,omitempty"`       // the n-th such exchange alone, from 1
	From      int    `json:"from,omitempty"`      // the n-th such exchange and those after it
	Times     int    `json:"times,omitempty"`     // how often at most; 0 is without limit

	SW    *Status `json:"sw,omitempty"`    // status and overrule: the status word
	Bytes *int    `json:"bytes,omitempty"` // torn and pieces: how many
	MS    *int    `json:"ms,omitempty"`    // delay: milliseconds
	At    *int    `json:"at,omitempty"`    // garble: which byte, from 0, or from the end below 0
	Mask  *int    `json:"mask,omitempty"`  // garble: the bits that turn over

	Applied int64 `json:"applied"` // how often it was applied; ignored when it is set
}

// A faultKind is a way to fail, with the fields that it needs.
type faultKind struct {
	name  string
	needs []string
	make  func(f *Fault) fault.Fault
}

// errReader is what a reader that fails says.
var errReader = errors.New("control: the reader fails, as a fault says")

// faultKinds are the names of package fault in snake case, and "pass" for a
// rule that keeps those after it away.
var faultKinds = []faultKind{
	{"remove", nil, func(*Fault) fault.Fault { return fault.Remove() }},
	{"remove_after", nil, func(*Fault) fault.Fault { return fault.RemoveAfter() }},
	{"vanish", nil, func(*Fault) fault.Fault { return fault.Vanish() }},
	{"fail", nil, func(*Fault) fault.Fault { return fault.Fail(errReader) }},
	{"fail_after", nil, func(*Fault) fault.Fault { return fault.FailAfter(errReader) }},
	{"status", []string{"sw"}, func(f *Fault) fault.Fault { return fault.Status(apdu.Status(*f.SW)) }},
	{"overrule", []string{"sw"}, func(f *Fault) fault.Fault { return fault.Overrule(apdu.Status(*f.SW)) }},
	{"torn", []string{"bytes"}, func(f *Fault) fault.Fault { return fault.Torn(*f.Bytes) }},
	{"half", nil, func(*Fault) fault.Fault { return fault.Half() }},
	{"long", nil, func(*Fault) fault.Fault { return fault.Long() }},
	{"garble", []string{"at", "mask"}, func(f *Fault) fault.Fault { return fault.Garble(*f.At, byte(*f.Mask)) }},
	{"pieces", []string{"bytes"}, func(f *Fault) fault.Fault { return fault.Pieces(*f.Bytes) }},
	{"right_le", nil, func(*Fault) fault.Fault { return fault.RightLe() }},
	{"delay", []string{"ms"}, func(f *Fault) fault.Fault { return fault.Delay(time.Duration(*f.MS) * time.Millisecond) }},
	{"silence", nil, func(*Fault) fault.Fault { return fault.Silence() }},
	{"pass", nil, func(*Fault) fault.Fault {
		return func(ctx context.Context, x *fault.Exchange) ([]byte, error) { return x.Pass(ctx) }
	}},
}

// FaultNames returns what [Fault.Do] can be. The slice is new.
func FaultNames() []string {
	names := make([]string, len(faultKinds))
	for i, k := range faultKinds {
		names[i] = k.name
	}
	return names
}

// longestDelay is the most that a delay lasts.
const longestDelay = 10 * time.Minute

// check finds how f fails. field is where f stands.
func (f *Fault) check(field string) (fault.Fault, error) {
	if f.Nth < 0 || f.From < 0 || f.Times < 0 {
		return nil, badField(field, "nth, from and times are 0 or more")
	}
	given := map[string]*int{"bytes": f.Bytes, "ms": f.MS, "at": f.At, "mask": f.Mask}
	limits := map[string][2]int{
		"bytes": {0, math.MaxUint16}, "ms": {0, int(longestDelay.Milliseconds())},
		"at": {-math.MaxUint16, math.MaxUint16}, "mask": {1, 255},
	}
	for name, value := range given {
		if l := limits[name]; value != nil && (*value < l[0] || *value > l[1]) {
			return nil, badField(field+"."+name, fmt.Sprintf("outside %d to %d", l[0], l[1]))
		}
	}
	for _, kind := range faultKinds {
		if kind.name != f.Do {
			continue
		}
		for _, name := range kind.needs {
			if there := given[name] != nil || name == "sw" && f.SW != nil; !there {
				return nil, badField(field+"."+name, f.Do+" needs it")
			}
		}
		return kind.make(f), nil
	}
	return nil, &Error{Code: unknownFault, Text: fmt.Sprintf("no fault %q; known are %q", f.Do, FaultNames()), Field: field + ".do"}
}

// A rule is a Fault in use.
type rule struct {
	Fault
	count   int // exchanges that it could have meant; the fault.Card's lock guards it
	applied atomic.Int64
}

// matches reports whether the rule means an exchange, which it counts.
func (r *rule) matches(_ int, command []byte) bool {
	cmd, err := apdu.ParseCommand(command)
	if r.Name != "" && (err != nil || cmd.Name() != r.Name) {
		return false
	}
	if r.Presented != nil && *r.Presented != (err == nil && cmd.INS == apdu.InsVerify && len(cmd.Data) > 0) {
		return false
	}
	r.count++
	return (r.Nth == 0 || r.count == r.Nth) && r.count >= r.From
}

// SetFaults replaces all rules, as PUT /v1/faults does. It fails with an
// [*Error] and then changes nothing.
func (s *Slot) SetFaults(faults ...Fault) error {
	rules := make([]*rule, len(faults))
	set := make([]fault.Rule, len(faults))
	for i := range faults {
		field := strconv.Itoa(i)
		do, err := faults[i].check(field)
		if err != nil {
			return err
		}
		r := &rule{Fault: faults[i]}
		rules[i] = r
		set[i] = fault.Rule{When: r.matches, Times: r.Times, Do: func(ctx context.Context, x *fault.Exchange) ([]byte, error) {
			r.applied.Add(1)
			if noted, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
				noted.Fault = r.Do
			}
			return do(ctx, x)
		}}
	}
	s.change(func() { s.rules = rules })
	s.faults.SetRules(set...)
	return nil
}

// Faults returns the rules, with how often each was applied.
func (s *Slot) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.Fault
		list[i].Applied = r.applied.Load()
	}
	return list
}
