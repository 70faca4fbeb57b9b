package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// checkout is the git checkout that esc was called in: where the builds that are
// set against each other come from.
type checkout struct{ top string }

func findCheckout(ctx context.Context) (checkout, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return checkout{}, exit(exitUnmeasured, fmt.Errorf("--against builds both sides: %w", err))
	}
	top, err := output(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return checkout{}, usage("--against needs a checkout of the source: %v", err)
	}
	return checkout{top}, nil
}

// commit is what ref points to.
func (c checkout) commit(ctx context.Context, ref string) (string, error) {
	if strings.HasPrefix(ref, "-") {
		return "", usage("--against %s: a branch, a tag or a commit is wanted", ref)
	}
	id, err := output(ctx, c.top, "git", "rev-parse", "--verify", "--quiet", ref+"^{commit}")
	if err != nil {
		return "", usage("--against %s: there is no such commit here (in CI: is it fetched?)", ref)
	}
	return id, nil
}

// changes is the files that differ from the commit that is checked out.
func (c checkout) changes(ctx context.Context) (files []string, err error) {
	text, err := output(ctx, c.top, "git", "status", "--porcelain")
	if err != nil {
		return nil, exit(exitUnmeasured, err)
	}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 {
			files = append(files, fields[len(fields)-1])
		}
	}
	return files, nil
}

// build makes binary of the source in dir, as make build does.
func (c checkout) build(ctx context.Context, dir, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/esc")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return exit(exitUnmeasured, fmt.Errorf("does not build: %w: %s", err, brief(string(text))))
	}
	return nil
}

// buildAt makes binary of the source as it was at commit, in a worktree under
// temp that is gone again when it returns, however it does.
func (c checkout) buildAt(ctx context.Context, commit, temp, binary string) (err error) {
	tree := filepath.Join(temp, "source")
	after := context.WithoutCancel(ctx) // what was begun is cleared up after an interrupt as well
	defer func() {
		_, _ = output(after, c.top, "git", "worktree", "remove", "--force", tree) // half of one may be there, or none
		err = errors.Join(err, os.RemoveAll(tree))
		_, _ = output(after, c.top, "git", "worktree", "prune")
	}()
	if _, err := output(ctx, c.top, "git", "worktree", "add", "--quiet", "--detach", tree, commit); err != nil {
		return exit(exitUnmeasured, err)
	}
	return c.build(ctx, tree, binary)
}

// output runs a command and returns what it printed, trimmed; its error is one line.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	text, err := cmd.Output()
	var left *exec.ExitError
	if errors.As(err, &left) {
		err = fmt.Errorf("%s %s: %w: %s", name, args[0], err, brief(string(left.Stderr)))
	}
	return strings.TrimSpace(string(text)), err
}

// brief is the first line of text that says something: compilers open with a
// line that names the package.
func brief(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "it says nothing"
}
