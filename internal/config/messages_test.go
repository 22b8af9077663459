package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEveryMistakeIsToldWithItsPlaceAndItsRemedy(t *testing.T) {
	env := map[string]string{"DIR": certificates(t)}
	for _, row := range mistakes {
		t.Run(row.key+"/"+row.want, func(t *testing.T) {
			before, after, found := strings.Cut(row.text, mark)
			if !found {
				t.Fatal("the text has no mark where the mistake is")
			}
			wantLine := strings.Count(before, "\n") + 1
			wantColumn := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1

			_, err := Parse("config.yaml", []byte(before+after), options(env))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("the mistake is not noticed: %v", err)
			}
			if len(problems) != 1 {
				t.Errorf("%d problems, want one:\n%v", len(problems), err)
			}
			p := problems[0]
			if p.Line != wantLine || p.Column != wantColumn {
				t.Errorf("at %d:%d, want %d:%d", p.Line, p.Column, wantLine, wantColumn)
			}
			if !strings.Contains(p.Message, row.want) {
				t.Errorf("message %q\nlacks   %q", p.Message, row.want)
			}
		})
	}
}

func TestEveryKeyHasAMistake(t *testing.T) {
	have := map[string]bool{}
	for _, row := range mistakes {
		have[row.key] = true
	}
	known := map[string]bool{"": true}
	walk(fileKeys(new(Config)), "", func(path string, _ key) {
		// The same as in a pipeline, as those of its first breaker, and as those of kafka.
		same := have[strings.Replace(path, ".breakers[].", ".breaker.", 1)] || have[strings.Replace(path, "clusters[].", "kafka.", 1)]
		if known[path] = true; !have[path] && !same && !strings.HasPrefix(path, "defaults.") {
			t.Errorf("no row of mistakes is about %s", path)
		}
	})
	for key := range have {
		if !known[key] {
			t.Errorf("mistakes has rows about %s, which is no key", key)
		}
	}
}

// Every message that the code can give, found in its source, must be the message of some row.
func TestEveryMessageHasAMistake(t *testing.T) {
	all := everythingTold(t)
	for place, message := range messagesInSource(t) {
		if !mentions(all, message) {
			t.Errorf("%s: no row of mistakes is told %q", place, message)
		}
	}
}

// rulesElsewhere are the files of other packages whose rules a configuration is judged by.
var rulesElsewhere = []string{"../../retrytopics/compile.go", "../../retrytopics/names.go", "../../retrytopics/template.go", "../webhook/config.go"}

// notOfAFile are the messages in them that no file can get, and why.
var notOfAFile = map[string]string{
	"either name the tiers or let them be made from the strategy (auto), not both": "one key holds either",
	"%v is negative":                                                                "durations of the file are not",
	"%v is negative; 0 means no limit":                                              "durations of the file are not",
	"%v is negative; for no delay use the strategy immediate":                       "durations of the file are not",
	"%d is out of range, 0 to %d":                                                   "the key's own range",
	"%v is out of range, 0 to 60s: a longer wait belongs on a tier":                 "the key's own range",
	"%v is out of range, 0 to 30 days (720h)":                                       "the key's own range",
	"%s is out of range, 1 to 1000":                                                 "the key's own range",
	"%s is out of range, above 0 to 1000":                                           "the key's own range",
	"Custom needs a function, got nil":                                              "of the library only",
	"is empty: retry topics belong to one consumer group":                           "the group is judged before",
	"%s is used twice":                                                              "of existing topics: topics plan, validate --connect",
	"%s and %s differ only in '.' and '_', which Kafka does not allow side by side": "of existing topics: topics plan, validate --connect",
	"batch.max is %d: give 1 or more":                                               "the key's own range",
	"batch wait is %v: give 0 or more":                                              "of the library only",
	"concurrency is %d: give 1 or more":                                             "the key's own range",
	"timeout is %v: give 0 (none) or more":                                          "the key's own range",
}

// What other packages say about what they are configured with must be the message of some row too, or be out of reach.
func TestEveryRuleElsewhereHasAMistake(t *testing.T) {
	all := everythingTold(t)
	found := map[string]bool{}
	set := token.NewFileSet()
	for _, name := range rulesElsewhere {
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING || strings.Count(text.Value, " ") < 2 {
				return true
			}
			message, _ := strconv.Unquote(text.Value)
			found[message] = true
			if _, out := notOfAFile[message]; !out && !mentions(all, message) {
				t.Errorf("%s: no row of mistakes is told %q", set.Position(text.Pos()), message)
			}
			return true
		})
	}
	for message := range notOfAFile {
		if !found[message] {
			t.Errorf("notOfAFile has %q, which nobody says any more", message)
		}
	}
}

// everythingTold are the messages that the rows of mistakes are told.
func everythingTold(t *testing.T) string {
	var told []string
	env := map[string]string{"DIR": certificates(t)}
	for _, row := range mistakes {
		_, err := Parse("config.yaml", []byte(strings.Replace(row.text, mark, "", 1)), options(env))
		var problems Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				told = append(told, p.Message)
			}
		}
	}
	return strings.Join(told, "\n")
}

var verbs = regexp.MustCompile(`%[+#]?[a-z]`)

// mentions says whether a message with verbs of package fmt is among what was told.
func mentions(all, message string) bool {
	var parts []string
	for _, part := range verbs.Split(message, -1) {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	return regexp.MustCompile(strings.Join(parts, ".*")).MatchString(all)
}

// messagesInSource finds the string literals that are given to the functions which report mistakes.
func messagesInSource(t *testing.T) map[string]string {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !reports(call) {
				return true
			}
			for _, arg := range call.Args {
				if inner, ok := arg.(*ast.CallExpr); ok && len(inner.Args) > 0 {
					arg = inner.Args[0] // fmt.Sprintf
				}
				if text, ok := arg.(*ast.BasicLit); ok && text.Kind == token.STRING {
					message, _ := strconv.Unquote(text.Value)
					if strings.Contains(message, " ") {
						messages[set.Position(text.Pos()).String()] = message
						break
					}
				}
			}
			return true
		})
	}
	if len(messages) < 40 {
		t.Fatalf("only %d messages found in the source; are the functions that report still called so?", len(messages))
	}
	return messages
}

func reports(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name == "wrong" || f.Sel.Name == "problem"
	case *ast.Ident:
		return f.Name == "wrongf"
	}
	return false
}

func options(env map[string]string) Options {
	return Options{Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
}

// certificates makes a directory with cert.pem and its key.pem, another key other.pem, and empty.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"key.pem", "other.pem"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(name, "PRIVATE KEY", der)
		if name == "key.pem" {
			template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
			cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			write("cert.pem", "CERTIFICATE", cert)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
