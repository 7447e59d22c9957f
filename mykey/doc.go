// Package mykey holds the MyKey platform's own rules as typed values.
package mykey
