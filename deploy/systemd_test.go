package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd itself finds nothing wrong with the unit: no name that it does not know, no value that it does not take.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze := requireSystemd(t)
	text, err := os.ReadFile("redeliver.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks for the programs that the unit names.
	unit := filepath.Join(t.TempDir(), "redeliver.service")
	verify := func(text string) (string, error) {
		write(t, unit, strings.ReplaceAll(text, "/usr/local/bin/redeliver", build(t)))
		out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(string(text)); err != nil || strings.Contains(out, "redeliver.service") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _ := verify(strings.Replace(string(text), "TimeoutStopSec=", "TimeoutStopSecs=", 1)); !strings.Contains(out, "TimeoutStopSecs") {
		t.Errorf("a name that is none is not found:\n%s", out)
	}
}

// What systemd itself says of how much of the machine the service could do harm to, from 0 to 10, stays small.
func TestTheUnitIsLockedUp(t *testing.T) {
	analyze := requireSystemd(t)
	text, err := os.ReadFile("redeliver.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "redeliver.service")
	exposed := func(text string) (string, bool) {
		write(t, unit, text)
		out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=15", unit).CombinedOutput()
		return string(out), err != nil
	}
	if out, is := exposed(string(text)); is {
		t.Errorf("its exposure is above 1.5\n%s", out)
	}
	if _, is := exposed(strings.Replace(string(text), "SystemCallFilter=@system-service\n", "", 1)); !is {
		t.Error("a unit that may make any system call passes")
	}
}

// requireSystemd skips the test where there is no systemd.
func requireSystemd(t *testing.T) string {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze (Debian: apt-get install systemd)")
	}
	return analyze
}
