package integration_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that docs/faults.md names exists, with its subtest, and every test of faults is named there: the table says
// no more and no less than what is tried.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	named := make(map[string]bool)
	tests, names := testsHere(t)
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.Contains(line, "---") || strings.Contains(cells[1], "fault ") && strings.Contains(cells[4], "test ") {
			continue
		}
		rows++
		proofs := regexp.MustCompile("`(Test[^`]+)`").FindAllStringSubmatch(cells[4], -1)
		if len(proofs) == 0 {
			t.Errorf("docs/faults.md names no test for:%s", cells[1])
		}
		for _, proof := range proofs {
			test, sub, _ := strings.Cut(proof[1], "/")
			named[test] = true
			if tests[test] == "" {
				t.Errorf("docs/faults.md names %s, which is no test here, in the simulation, or of a room that proves faults", test)
			} else if sub != "" && !names[sub] {
				t.Errorf("docs/faults.md names %s, which has no such subtest", proof[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("docs/faults.md has a table of %d rows: is it read right?", rows)
	}
	for test, file := range tests {
		if strings.HasPrefix(file, "faults_") && !named[test] && test != t.Name() {
			t.Errorf("%s in %s is not in docs/faults.md", test, file)
		}
	}
}

// testsHere returns the tests of this package, of the simulation, and of the rooms that prove faults by themselves, with their
// files, and every string in those of this package, among them the names of subtests.
func testsHere(t *testing.T) (tests map[string]string, texts map[string]bool) {
	t.Helper()
	tests, texts = make(map[string]string), make(map[string]bool)
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"../sim", "../../fleet", "../../consumer", "../../dlq"} {
		there, err := filepath.Glob(room + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, there...)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				tests[f.Name.Name] = file
			}
		}
		if strings.Contains(file, "/") {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				texts[strings.Trim(l.Value, `"`)] = true
			}
			return true
		})
	}
	return tests, texts
}
