package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Mutant is one way in which a file is broken.
type Mutant struct {
	ID       int // the value of the environment variable that switches it on
	File     string
	Line     int
	Function string
	Text     string // what is broken, as it stands in the file
	Kind     Kind
}

// Kind is how something is broken.
type Kind string

const (
	True     Kind = "true"     // a condition always holds
	False    Kind = "false"    // a condition never holds
	Boundary Kind = "boundary" // < is <= and so on
	Removed  Kind = "removed"  // a statement is left out
	SQL      Kind = "sql"      // another comparison in a query
)

func (m Mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s -> %s", m.File, m.Line, m.Function, m.Text, m.Kind)
}

// An edit puts text where something else, of n bytes, was.
type edit struct {
	at, n int
	text  string
	side  side
	order int // of edits at the same place and side: lower is further to the left
}

// What ends at a place stands before what begins there.
type side int

const (
	ends side = iota
	instead
	begins
)

// mutator rewrites one file so that each of its mutants can be switched on.
type mutator struct {
	name    string // of the file, as it is reported
	source  []byte
	fset    *token.FileSet
	next    int // the first ID that is free
	edits   []edit
	mutants []Mutant
	within  string // the function at hand
	taken   map[ast.Expr]bool
}

// mutate gives the file with all its mutants built in, and the mutants. IDs
// begin at first. Only the functions named are broken; with none, all are.
func mutate(name string, source []byte, functions []string, first int) ([]byte, []Mutant, error) {
	m := &mutator{name: name, source: source, fset: token.NewFileSet(), next: first, taken: make(map[ast.Expr]bool)}
	file, err := parser.ParseFile(m.fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	missing := slices.Clone(functions)
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		if len(functions) > 0 && !slices.Contains(functions, f.Name.Name) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(n string) bool { return n == f.Name.Name })
		m.within = functionName(f)
		m.function(f.Body)
	}
	if len(missing) > 0 {
		return nil, nil, fmt.Errorf("%s has no function %s", name, strings.Join(missing, ", "))
	}
	// The same text more than once in a function is told apart by number.
	seen := make(map[string]int)
	for i := range m.mutants {
		k := m.mutants[i].key()
		if seen[k]++; seen[k] > 1 {
			m.mutants[i].Text += fmt.Sprintf(" #%d", seen[k])
		}
	}
	return m.apply(), m.mutants, nil
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// function finds what can be broken in a body.
func (m *mutator) function(body *ast.BlockStmt) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok != token.CONST // what is constant has to stay so
		case *ast.IfStmt:
			m.condition(n.Cond)
		case *ast.ForStmt:
			// A loop without an end tells nothing that a test should wait for.
			m.loop(n.Cond)
		case *ast.SwitchStmt:
			m.choice(n)
		case *ast.BlockStmt:
			m.statements(n.List)
		case *ast.CaseClause:
			m.statements(n.Body)
		case *ast.CommClause:
			m.statements(n.Body)
		case *ast.BinaryExpr:
			switch n.Op {
			case token.LAND, token.LOR:
				m.condition(n)
			case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
				m.condition(n)
			}
		case *ast.BasicLit:
			m.query(n)
		}
		return true
	})
}

// condition makes mutants of an expression that is true or false.
func (m *mutator) condition(e ast.Expr) {
	if e == nil || m.taken[e] {
		return
	}
	m.taken[e] = true
	switch x := e.(type) {
	case *ast.ParenExpr:
		m.condition(x.X)
		return
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			m.condition(x.X)
			return
		}
	case *ast.BinaryExpr:
		switch x.Op {
		case token.LAND, token.LOR:
			m.condition(x.X)
			m.condition(x.Y)
			return
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			m.outcome(e, true)
			m.boundary(x)
			return
		}
	}
	m.outcome(e, true)
}

func (m *mutator) loop(e ast.Expr) {
	if e == nil {
		return
	}
	if x, ok := e.(*ast.BinaryExpr); ok && x.Op != token.LAND && x.Op != token.LOR {
		m.taken[e] = true
		m.outcome(e, false)
		m.boundary(x)
		return
	}
	if _, ok := e.(*ast.BinaryExpr); ok {
		return // its parts are met as expressions
	}
	m.taken[e] = true
	m.outcome(e, false)
}

// outcome makes e always true and always false.
func (m *mutator) outcome(e ast.Expr, always bool) {
	id := m.next
	if always {
		m.add(e, True)
	}
	m.add(e, False)
	call := "mutantOutcome"
	if !always {
		call = "mutantNever"
	}
	m.wrap(e, fmt.Sprintf("%s(%d, ", call, id), ")", 1)
}

// boundary moves the boundary of a comparison.
func (m *mutator) boundary(x *ast.BinaryExpr) {
	name := map[token.Token]string{token.LSS: "mutantLess", token.LEQ: "mutantLessOrEqual",
		token.GTR: "mutantGreater", token.GEQ: "mutantGreaterOrEqual"}[x.Op]
	if name == "" {
		return
	}
	id := m.next
	m.add(x, Boundary)
	m.wrap(x, fmt.Sprintf("%s(%d, ", name, id), ")", 0)
	m.edits = append(m.edits, edit{at: m.offset(x.OpPos), n: len(x.Op.String()), text: ",", side: instead})
}

// choice makes a switch over a value one over conditions.
func (m *mutator) choice(s *ast.SwitchStmt) {
	if s.Tag == nil {
		for _, c := range s.Body.List {
			for _, e := range c.(*ast.CaseClause).List {
				m.condition(e)
			}
		}
		return
	}
	tag := m.text(s.Tag)
	if !plain(s.Tag) {
		if s.Init != nil {
			return
		}
		name := fmt.Sprintf("mutantTag%d", m.next)
		m.wrap(s.Tag, name+" := ", ";", 3)
		tag = name
	} else {
		m.edits = append(m.edits, edit{at: m.offset(s.Tag.Pos()), n: len(tag), side: instead})
	}
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			id := m.next
			m.add(e, True)
			m.add(e, False)
			for i := range m.mutants[len(m.mutants)-2:] {
				m.mutants[len(m.mutants)-2+i].Text = "case " + m.text(e)
			}
			m.wrap(e, fmt.Sprintf("mutantOutcome(%d, %s == (", id, tag), "))", 2)
		}
	}
}

// plain tells that an expression can be evaluated again.
func plain(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return true
	case *ast.SelectorExpr:
		return plain(x.X)
	}
	return false
}

// statements makes mutants that leave a statement out.
func (m *mutator) statements(list []ast.Stmt) {
	for _, s := range list {
		if !removable(s) {
			continue
		}
		id := m.next
		m.add(s, Removed)
		m.wrap(s, fmt.Sprintf("if mutantKeep(%d) { ", id), " }", 3)
	}
}

func removable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.IncDecStmt:
		return true
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE {
			return false
		}
		if s.Tok != token.ASSIGN {
			return true
		}
		for _, e := range s.Lhs {
			if _, local := e.(*ast.Ident); !local {
				return true
			}
		}
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		id, ok := call.Fun.(*ast.Ident)
		return !ok || id.Name != "panic"
	}
	return false
}

// comparisons of SQL, and what each is turned into.
var comparisons = []struct {
	find *regexp.Regexp
	with string
}{
	{regexp.MustCompile(` <= `), " < "},
	{regexp.MustCompile(` >= `), " > "},
	{regexp.MustCompile(` < `), " <= "},
	{regexp.MustCompile(` > `), " >= "},
	{regexp.MustCompile(` IS NOT NULL`), " IS NULL"},
	{regexp.MustCompile(` IS NULL`), " IS NOT NULL"},
	{regexp.MustCompile(` NOT EXISTS`), " EXISTS"},
	{regexp.MustCompile(` NOT IN`), " IN"},
	{regexp.MustCompile(` AND ([a-z_.{}]+) = `), " AND $1 <> "},
	{regexp.MustCompile(`WHERE ([a-z_.{}]+) = `), "WHERE $1 <> "},
	{regexp.MustCompile(` \+ `), " - "},
}

// query makes mutants of a text that is part of a query.
func (m *mutator) query(lit *ast.BasicLit) {
	if lit.Kind != token.STRING {
		return
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil || !strings.Contains(text, "WHERE ") && !strings.Contains(text, " CONFLICT ") {
		return
	}
	before, after := "", ""
	for _, c := range comparisons {
		for _, at := range c.find.FindAllStringIndex(text, -1) {
			part := text[at[0]:at[1]]
			changed := text[:at[0]] + c.find.ReplaceAllString(part, c.with) + text[at[1]:]
			before = fmt.Sprintf("mutantText(%d, ", m.next) + before
			after += fmt.Sprintf(", %q)", changed)
			m.add(lit, SQL)
			m.mutants[len(m.mutants)-1].Text = strings.Join(strings.Fields(text[max(0, at[0]-12):min(len(text), at[1]+8)]), " ")
		}
	}
	if before != "" {
		m.wrap(lit, before, after, 0)
	}
}

func (m *mutator) add(n ast.Node, k Kind) {
	text := strings.Join(strings.Fields(m.text(n)), " ")
	if len(text) > 90 {
		text = text[:90] + "…"
	}
	m.mutants = append(m.mutants, Mutant{ID: m.next, File: m.name, Line: m.fset.Position(n.Pos()).Line,
		Function: m.within, Text: strings.ToValidUTF8(text, ""), Kind: k})
	m.next++
}

// wrap puts text before and after a node. What spans more goes further out, and
// of two that span the same the one of the higher level.
func (m *mutator) wrap(n ast.Node, before, after string, level int) {
	m.edits = append(m.edits,
		edit{at: m.offset(n.Pos()), text: before, side: begins, order: -4*int(n.End()) - level},
		edit{at: m.offset(n.End()), text: after, side: ends, order: -4*int(n.Pos()) + level})
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *mutator) text(n ast.Node) string {
	return string(m.source[m.offset(n.Pos()):m.offset(n.End())])
}

// apply makes the edits.
func (m *mutator) apply() []byte {
	slices.SortStableFunc(m.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.side, b.side), cmp.Compare(a.order, b.order))
	})
	var out []byte
	at := 0
	for _, e := range m.edits {
		out = append(out, m.source[at:max(at, e.at)]...)
		out = append(out, e.text...)
		at = max(at, e.at+e.n)
	}
	return append(out, m.source[at:]...)
}

// key gives what the mutant is called in equivalent.txt.
func (m Mutant) key() string {
	return strings.Join([]string{m.File, m.Function, m.Text, string(m.Kind)}, " | ")
}
