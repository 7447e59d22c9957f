package secret_test

import (
	"fmt"

	"github.com/mynakit/mynakit/internal/secret"
)

// A Member keeps a number that must be compared, and a key that must not.
type Member struct {
	secret.Hidden
	number secret.String
	key    secret.Box[[]byte]
}

func Example() {
	number, _ := secret.Mask("0120345678")
	m := Member{number: number, key: secret.New([]byte("sixteen byte key"))}

	again, _ := secret.Mask("0120345678")
	fmt.Println(m)
	fmt.Println(m.number == again, m.number.Reveal(), len(m.key.Reveal()))
	// Output:
	// [redacted]
	// true 0120345678 16
}

// A loop over many values fills one String.
func ExampleString_Set() {
	var s secret.String
	count := map[secret.String]int{}
	for _, line := range []string{"1001", "1002", "1001"} {
		s.Set([]byte(line))
		count[s]++
	}
	fmt.Println(len(count), count[s])
	// Output: 2 2
}
