package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Who reads a command copies it: each line that a page shows is one that this program takes - the command is there, its flags are, with values
// that they take, and it has as many arguments as it wants. Nothing of it is run.
func TestTheCommandsOfTheDocumentsAreTaken(t *testing.T) {
	pages := []string{"../../README.md", "../../config.yaml", "../../deploy/README.md", "../../deploy/compose.yaml", "../../deploy/redeliver.service",
		"../../deploy/prometheus/alerts.yaml", "../../deploy/helm/redeliver/templates/NOTES.txt"}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, docs...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		lines := shownCommands(string(text))
		found += len(lines)
		for _, line := range lines {
			if err := taken(line); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(page), line.text, err)
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d commands, there must be more", found)
	}
}

// The examples of the commands' own help are held to the same.
func TestTheExamplesOfTheHelpAreTaken(t *testing.T) {
	found := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, line := range shownCommands(cmd.Example) {
			found++
			if err := taken(line); err != nil {
				t.Errorf("%s --help: %s: %v", cmd.CommandPath(), line.text, err)
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(quietProgram().root())
	if found < 30 {
		t.Errorf("found %d examples, there must be more", found)
	}
}

func TestACommandThatIsNotTakenIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"redeliver dlq stat":                    "there is no command",
		"redeliver replay --canery 10":          "unknown flag",
		"redeliver replay --canary ten":         "no number",
		"redeliver skip":                        "needs",
		"redeliver status orders":               "takes no argument",
		"redeliver dlq discard --why 'a | b' x": "",
		"redeliver dlq show ID | head -7 -z":    "",
		"redeliver replay  # --canery 10":       "",
	} {
		switch err := taken(shownCommand{text: text, whole: true}); {
		case (err == nil) != (want == ""), err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// shownCommand is a command line that a page shows.
type shownCommand struct {
	text  string
	whole bool // it is to be typed as it is; else a sentence may only speak of the command
}

// In a line of its own, after a prompt or after what runs it in a container; or in a sentence, between backquotes.
var commandShown = regexp.MustCompile("(?m)^[ \t#]*(?:\\$ |ExecStart\\w*=/usr/local/bin/|[^`\n]* (?:--|exec redeliver) /)?(redeliver [a-z-]+(?: [^`\n#]*)?)(?:#.*)?$|`(?:[^`\n]* /)?(redeliver [^`]+)`")

func shownCommands(page string) (all []shownCommand) {
	for _, match := range commandShown.FindAllStringSubmatch(page, -1) {
		if match[1] != "" {
			all = append(all, shownCommand{match[1], true})
		} else {
			all = append(all, shownCommand{strings.Join(strings.Fields(match[2]), " "), false})
		}
	}
	return all
}

// taken returns what the program says of a command line, short of running it.
func taken(line shownCommand) error {
	words := shellWords(line.text)[1:]
	for i, word := range words {
		if word == "N" { // stands for a number
			words[i] = "1"
		}
	}
	cmd, rest, err := quietProgram().root().Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return flagError(cmd, err)
	}
	if len(rest) == 0 && !line.whole {
		return nil
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	return cmd.ValidateFlagGroups()
}

func quietProgram() *program {
	return &program{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) (string, bool) { return "", false }}
}

// shellWords are the words of the first command of a line, as a shell has them: quoted ones are one, and what is piped, redirected or a comment is
// none of its own.
func shellWords(line string) (words []string) {
	var (
		word  strings.Builder
		begun bool
		quote rune
	)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && c == ' ':
			end()
		case quote == 0 && (strings.ContainsRune("|<>;&", c) || c == '#' && !begun):
			end()
			return words
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	end()
	return words
}
