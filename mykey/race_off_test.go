//go:build !race

package mykey_test

const raceEnabled = false
