package guard

import "testing"

func TestEnter(t *testing.T) {
	d := Door{Most: 2}
	for i, want := range []error{nil, ErrRefused, nil, ErrRefused} {
		word := "sesame"
		if i == 1 {
			word = "barley"
		}
		if err := d.Enter(word, 2); err != want {
			t.Fatal(i, err)
		}
	}
	if d.In != 2 {
		t.Fatal(d.In)
	}
}

func TestKind(t *testing.T) {
	for b, want := range map[byte]string{'0': "digit", '1': "digit", ' ': "blank", 'q': "letter", '{': "", '#': ""} {
		if got := Kind(b); got != want {
			t.Fatal(b, got)
		}
	}
}

func TestQuery(t *testing.T) {
	if Query() != "SELECT a FROM t WHERE b <= ? AND c = ?" {
		t.Fatal(Query())
	}
}

func TestBig(t *testing.T) {
	if Big() {
		t.Fatal("big")
	}
}

func TestSlow(t *testing.T) { Kind('x') }
