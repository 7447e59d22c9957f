// Package advice is the catalogue of what to tell at the counter: for each error
// of this module what happened, what to do, whether the same call helps, and the
// platform's own code, in Japanese and English.
//
//	a := advice.Explain(err)
//	screen(a.What.JA, a.Do.JA)
//
// It knows every exported error of the packages jpki, mykey, ticket and mergefile
// and of those below them, and the errors of SQLite and PostgreSQL. A program adds
// its own errors, and those of packages that not every program links, such as
// readers, by entries that it passes to [Explain].
//
// The texts repeat nothing that an error holds, except the name of a PIN and the
// number of tries left. Of a refused ticket they do not say why.
package advice
