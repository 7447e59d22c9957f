package mergefile

import (
	"hash/maphash"
	"slices"
)

// partition is how many transaction numbers are compared at a time: 4 MiB.
const partition = 1 << 18

// distinct says whether no number comes twice in a verified file whose numbers
// do not rise. It is exact, and its memory does not grow with the file: the
// numbers are divided into groups by a keyed hash, equal ones always together,
// and the file is gone over once for each group.
func (r *Reader) distinct() (bool, error) {
	seed := maphash.MakeSeed()
	group := make([]Transaction, 0, min(r.count, partition))
	// Groups are filled to three quarters on average.
	groups := uint64(r.count)/(partition/4*3) + 1
	for g := uint64(0); g < groups; g++ {
		group = group[:0]
		full := false
		err := r.again(func(records []Record) bool {
			for i := range records {
				t := records[i].Transaction
				if groups > 1 && maphash.Comparable(seed, t)%groups != g {
					continue
				}
				if len(group) == partition {
					full = true
					return false
				}
				group = append(group, t)
			}
			return true
		})
		if err != nil {
			return false, err
		}
		slices.SortFunc(group, Transaction.Compare)
		for i := 1; i < len(group); i++ {
			if group[i] == group[i-1] {
				return false, nil
			}
		}
		if full {
			// So many in one group, and no two alike, is beyond chance; still,
			// more groups are the right answer.
			groups *= 2
			g = ^uint64(0)
		}
	}
	return true, nil
}

// remembered is how many numbers a single pass remembers.
const remembered = 1 << 16

// onePass finds numbers that come twice when there is no second pass, in
// bounded memory: the first 65,536 numbers may come in any order, and each
// later one must be higher than all before it. While the numbers rise, nothing
// is looked up.
type onePass struct {
	numbers []Transaction
	seen    map[Transaction]struct{} // once a number has come out of order
	highest Transaction
	count   int64
}

// add says false if the number came before, or cannot be told not to have.
func (d *onePass) add(t Transaction) bool {
	higher := d.count == 0 || d.highest.Compare(t) < 0
	if higher {
		d.highest = t
	}
	d.count++
	if d.count > remembered {
		return higher
	}
	if !higher && d.seen == nil {
		d.seen = make(map[Transaction]struct{}, len(d.numbers)+1)
		for _, n := range d.numbers {
			d.seen[n] = struct{}{}
		}
		d.numbers = nil
	}
	if d.seen == nil {
		d.numbers = append(d.numbers, t)
		return true
	}
	_, twice := d.seen[t]
	d.seen[t] = struct{}{}
	return !twice
}

// came says whether a number that add said false of is known to have come
// before.
func (d *onePass) came(t Transaction) bool {
	_, twice := d.seen[t]
	if !twice {
		_, twice = slices.BinarySearchFunc(d.numbers, t, Transaction.Compare)
	}
	return twice || t == d.highest
}
