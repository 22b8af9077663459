package main

import (
	"bytes"
	"strings"
	"testing"
)

// demoProgram is a program whose output is no terminal.
func demoProgram(env map[string]string) (*program, *bytes.Buffer) {
	var out bytes.Buffer
	return &program{
		in: strings.NewReader(""), out: &out, err: &out,
		getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}, &out
}

func TestDemoRefusesATimeThatIsNone(t *testing.T) {
	for _, args := range [][]string{{"--for", "0s"}, {"--for=-1s"}} {
		p, _ := demoProgram(nil)
		cmd := newDemoCommand(p)
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		if exitStatus(err) != exitUsage || !strings.Contains(err.Error(), "such as 30s") {
			t.Errorf("%q: got %v, want wrong usage that says what would be right", args, err)
		}
	}
}

func TestDemoInPlainLines(t *testing.T) {
	p, out := demoProgram(nil)
	cmd := newDemoCommand(p)
	cmd.SetArgs([]string{"--for", "2s"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"Orders come in", "Every figure is the same"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("a terminal's codes are in\n%q", out)
	}
}

func TestDemoFollowsTheEnvironment(t *testing.T) {
	for _, test := range []struct {
		env           map[string]string
		colour, ascii bool
	}{
		{nil, true, false},
		{map[string]string{"NO_COLOR": "1"}, false, false},
		{map[string]string{"NO_COLOR": ""}, true, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true, false},
		{map[string]string{"LANG": "C"}, true, true},
		{map[string]string{"LANG": "C", "LC_ALL": "C.utf8"}, true, false},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_CTYPE": "POSIX"}, true, true},
	} {
		p, _ := demoProgram(test.env)
		if p.wantsColour() != test.colour || p.asciiOnly() != test.ascii {
			t.Errorf("%v: got colour %v and ASCII %v, want %v and %v", test.env, p.wantsColour(), p.asciiOnly(), test.colour, test.ascii)
		}
	}
}
