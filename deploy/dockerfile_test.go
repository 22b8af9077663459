package deploy

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/twmb/franz-go/pkg/kfake"
)

func readDockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func stageNamed(stages []instructions.Stage, name string) []instructions.Command {
	for _, s := range stages {
		if s.Name == name {
			return s.Commands
		}
	}
	return nil
}

// of returns the commands of a kind.
func of[T instructions.Command](commands []instructions.Command) (all []T) {
	for _, c := range commands {
		if one, ok := c.(T); ok {
			all = append(all, one)
		}
	}
	return all
}

func TestTheImagesHoldABinaryAndNoRights(t *testing.T) {
	stages := readDockerfile(t)
	for _, s := range []instructions.Stage{stages[len(stages)-1], stages[len(stages)-2]} {
		users := of[*instructions.UserCommand](s.Commands)
		if s.BaseName != "scratch" || len(users) != 1 || strings.HasPrefix(users[0].User, "0") || !strings.Contains(users[0].User, ":") {
			t.Errorf("the image of %q is from %s and for %+v", s.Name, s.BaseName, users)
		}
		if len(of[*instructions.RunCommand](s.Commands)) > 0 {
			t.Errorf("there is nothing in %q that could run a command", s.Name)
		}
	}
	for _, s := range stages {
		if strings.HasSuffix(s.BaseName, ":latest") || s.BaseName != "scratch" && !strings.Contains(s.BaseName, ":") && len(stageNamed(stages, s.BaseName)) == 0 {
			t.Errorf("%s may change", s.BaseName)
		}
	}
}

// The Dockerfile's steps, done by hand: what they would put into the image starts there as the user whom the image names, in a root file system
// with nothing else, and ends in order.
func TestTheBinaryOfTheImageStartsInAnEmptyRootFileSystem(t *testing.T) {
	stages := readDockerfile(t)
	final := stages[len(stages)-1]
	work := t.TempDir()
	binary := filepath.Join(work, "redeliver")
	steps(t, stageNamed(stages, "build"), "..", binary)

	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 || slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("it is not static: %v %v", libraries, err)
	}
	if info, err := os.Stat(binary); err != nil || info.Size() > 64<<20 {
		t.Errorf("it is large: %v %v", info, err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root may change the root directory: run this test as root to see the binary start")
	}

	root := filepath.Join(work, "root")
	place(t, final.Commands, binary, root)
	var uid, gid uint32
	if _, err := fmt.Sscanf(of[*instructions.UserCommand](final.Commands)[0].User, "%d:%d", &uid, &gid); err != nil {
		t.Fatal(err)
	}
	entry := of[*instructions.EntrypointCommand](final.Commands)[0].CmdLine
	inside := func(args ...string) *exec.Cmd {
		command := exec.Command(entry[0], append(entry[1:], args...)...)
		command.Path, command.Err = entry[0], nil // in there, whatever is out here
		command.Env, command.Dir = []string{}, "/"
		command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		return command
	}
	if out, err := inside("version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "redeliver v9.8.7 0123456789ab 2026-01-02T03:04:05Z") {
		t.Errorf("version: %v\n%s", err, out)
	}
	runs(t, inside, root, of[*instructions.CmdCommand](final.Commands)[0].CmdLine)
}

// Who builds a release again has the same bytes, wherever that is.
func TestTheBinaryIsTheSameWhereverItIsBuilt(t *testing.T) {
	commands := stageNamed(readDockerfile(t), "build")
	elsewhere := filepath.Join(t.TempDir(), "a clone")
	clone(t, elsewhere)
	var binaries [2][]byte
	for i, directory := range []string{"..", elsewhere} {
		binary := filepath.Join(t.TempDir(), "redeliver")
		steps(t, commands, directory, binary)
		var err error
		if binaries[i], err = os.ReadFile(binary); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(binaries[0], binaries[1]) {
		t.Errorf("two builds differ, of %d and %d bytes", len(binaries[0]), len(binaries[1]))
	}
}

// clone copies what the binary is built of.
func clone(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel("..", path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"deploy", "torture", "bench", "tools"}, name)):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// steps does what the RUN instructions of the stage that builds do, at the top of a repository, and with the caches of this machine.
func steps(t *testing.T, commands []instructions.Command, directory, binary string) {
	t.Helper()
	t.Helper()
	for _, run := range of[*instructions.RunCommand](commands) {
		line := strings.Join(run.CmdLine, " ")
		if strings.Contains(line, "mod download") {
			continue // what is needed is here
		}
		line = strings.ReplaceAll(line, "-o /redeliver ", "-o "+binary+" ")
		command := exec.Command("sh", "-ec", line)
		command.Dir = directory
		command.Env = append(os.Environ(), "VERSION=v9.8.7", "REVISION=0123456789abcdef0123456789abcdef01234567", "DATE=2026-01-02T03:04:05Z")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// place does what the COPY instructions of the image do.
func place(t *testing.T, commands []instructions.Command, binary, root string) {
	t.Helper()
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(root); parent != filepath.Dir(os.TempDir()) && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range of[*instructions.CopyCommand](commands) {
		from := c.SourcePaths[0]
		to := filepath.Join(root, c.DestPath)
		if strings.HasSuffix(c.DestPath, "/") {
			to = filepath.Join(to, filepath.Base(from))
		}
		if from == "/redeliver" {
			from = binary
		} else if _, err := os.Stat(from); err != nil {
			t.Logf("%s: this machine has none, the image that builds has", from)
			continue
		}
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// runs starts what the image starts, with a configuration mounted as its comment says, sees it live, and stops it as Docker does.
func runs(t *testing.T, inside func(...string) *exec.Cmd, root string, cmd []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	(&stage{}).produce(t, cluster.ListenAddrs())
	service := newFlakyService(t)
	write(t, filepath.Join(root, cmd[len(cmd)-1]), fmt.Sprintf(`
kafka: {brokers: %q}
admin: {listen: %q}
pipelines: [{name: orders, topics: [orders], handler: {http: {url: %q}}}]
`, strings.Join(cluster.ListenAddrs(), ","), freeAddress(t), service.url))
	process := startCommand(t, inside(cmd...))
	select {
	case <-service.busy:
	case <-time.After(time.Minute):
		t.Fatalf("no record is handled; the process says\n%s", process.log)
	}
	process.stop(t)
	if state := process.command.ProcessState; state.ExitCode() != 0 {
		t.Errorf("it ended with %v\n%s", state, process.log)
	}
}
