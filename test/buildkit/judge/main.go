// Says what BuildKit's own packages make of inputs: one JSON object a line on standard input, one answer a line.
package main

import (
	"bufio"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	mode "github.com/tonistiigi/dchapes-mode"
)

type question struct {
	Kind   string            `json:"kind"`
	Text   string            `json:"text"`
	Escape string            `json:"escape"`
	Env    map[string]string `json:"env"`
	Plain  bool              `json:"plain"`
	Paths  []string          `json:"paths"`
	Mode   uint32            `json:"mode"`
	Folder bool              `json:"folder"`
}

type object = map[string]any

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for decoder, encoder := json.NewDecoder(in), json.NewEncoder(out); decoder.More(); {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer, err := judge(asked)
		if err != nil {
			answer = object{"error": err.Error()}
		}
		if err := encoder.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func judge(asked question) (any, error) {
	switch asked.Kind {
	case "dockerfile":
		return readDockerfile(asked.Text)
	case "word":
		lex := shell.NewLex(rune(asked.Escape[0]))
		lex.SkipProcessQuotes = asked.Plain
		result, err := lex.ProcessWordWithMatches(asked.Text, environment(asked.Env))
		return object{"text": result.Result, "words": list(result.Words)}, err
	case "document":
		document, err := parser.ParseHeredoc(asked.Text)
		if err != nil || document == nil {
			return nil, err
		}
		return object{"name": document.Name, "expand": document.Expand, "chomp": document.Chomp}, nil
	case "ignore":
		return ignored(asked.Text, asked.Paths)
	case "glob":
		matches := []bool{}
		for _, path := range asked.Paths {
			// COPY does not look at the error either.
			match, _ := filepath.Match(asked.Text, path)
			matches = append(matches, match)
		}
		return matches, nil
	case "chmod":
		set, err := mode.ParseWithUmask(asked.Text, 0)
		if err != nil {
			return nil, err
		}
		return bitsOf(set.Apply(modeOf(asked.Mode, asked.Folder))), nil
	case "image":
		name, err := reference.ParseNormalizedNamed(asked.Text)
		if err != nil {
			return nil, err
		}
		// What it can't take apart has no server to be asked for it.
		if reference.Domain(name) == "" {
			return nil, reference.ErrReferenceInvalidFormat
		}
		found := object{"registry": reference.Domain(name), "repository": reference.Path(name)}
		if tagged, ok := name.(reference.Tagged); ok {
			found["tag"] = tagged.Tag()
		}
		if digested, ok := name.(reference.Digested); ok {
			found["digest"] = digested.Digest().String()
		}
		return found, nil
	case "platform":
		platform, err := platforms.Parse(asked.Text)
		if err != nil {
			return nil, err
		}
		platform = platforms.Normalize(platform)
		return []string{platform.OS, platform.Architecture, platform.Variant}, nil
	}
	return nil, fmt.Errorf("there is no kind %q", asked.Kind)
}

type environment map[string]string

func (env environment) Get(key string) (string, bool) {
	value, ok := env[key]
	return value, ok
}

func (env environment) Keys() []string {
	keys := []string{}
	for key := range env {
		keys = append(keys, key)
	}
	return keys
}

// ignored walks as BuildKit does: what was decided on a folder counts for what is in it.
func ignored(text string, paths []string) (any, error) {
	patterns, err := ignorefile.ReadAll(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	matches := []bool{}
	for _, path := range paths {
		var info patternmatcher.MatchInfo
		var match bool
		parts := strings.Split(path, "/")
		for count := range parts {
			match, info, err = matcher.MatchesUsingParentResults(strings.Join(parts[:count+1], "/"), info)
			if err != nil {
				return nil, err
			}
		}
		matches = append(matches, match)
	}
	return matches, nil
}

func modeOf(bits uint32, folder bool) os.FileMode {
	result := os.FileMode(bits & 0o777)
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if bits&bit != 0 {
			result |= flag
		}
	}
	if folder {
		result |= os.ModeDir
	}
	return result
}

func bitsOf(given os.FileMode) uint32 {
	result := uint32(given.Perm())
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if given&flag != 0 {
			result |= bit
		}
	}
	return result
}

func readDockerfile(text string) (any, error) {
	tree, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	stages, globals, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return nil, err
	}
	found := []object{}
	for _, command := range globals {
		found = append(found, object{"line": command.Location()[0].Start.Line, "keyword": "ARG", "pairs": optionalPairs(command.Args)})
	}
	for _, stage := range stages {
		found = append(found, object{
			"line": stage.Location[0].Start.Line, "keyword": "FROM",
			"image": stage.BaseName, "name": stage.Name, "platform": stage.Platform,
		})
		for _, command := range stage.Commands {
			one := describe(command)
			one["line"] = command.Location()[0].Start.Line
			one["keyword"] = strings.ToUpper(command.Name())
			found = append(found, one)
		}
	}
	return object{"escape": string(tree.EscapeToken), "instructions": found}, nil
}

func describe(command instructions.Command) object {
	switch one := command.(type) {
	case *instructions.EnvCommand:
		return object{"pairs": pairs(one.Env)}
	case *instructions.LabelCommand:
		return object{"pairs": pairs(one.Labels)}
	case *instructions.ArgCommand:
		return object{"pairs": optionalPairs(one.Args)}
	case *instructions.CopyCommand:
		return object{
			"files": sources(one.SourcesAndDest), "from": one.From, "chown": one.Chown, "chmod": one.Chmod,
			"link": one.Link, "parents": one.Parents, "exclude": list(one.ExcludePatterns),
		}
	case *instructions.AddCommand:
		return object{
			"files": sources(one.SourcesAndDest), "chown": one.Chown, "chmod": one.Chmod,
			"link": one.Link, "exclude": list(one.ExcludePatterns),
		}
	case *instructions.CmdCommand:
		return object{"command": line(one.ShellDependantCmdLine)}
	case *instructions.EntrypointCommand:
		return object{"command": line(one.ShellDependantCmdLine)}
	case *instructions.ExposeCommand:
		ports := list(one.Ports)
		sort.Strings(ports)
		return object{"words": ports}
	case *instructions.VolumeCommand:
		return object{"words": list(one.Volumes)}
	case *instructions.ShellCommand:
		return object{"words": list(one.Shell)}
	case *instructions.UserCommand:
		return object{"value": one.User}
	case *instructions.WorkdirCommand:
		return object{"value": one.Path}
	case *instructions.StopSignalCommand:
		return object{"value": one.Signal}
	case *instructions.MaintainerCommand:
		return object{"value": one.Maintainer}
	case *instructions.HealthCheckCommand:
		return object{"test": list(one.Health.Test)}
	}
	return object{}
}

func list(words []string) []string {
	return append([]string{}, words...)
}

func pairs(given instructions.KeyValuePairs) [][]string {
	found := [][]string{}
	for _, pair := range given {
		found = append(found, []string{pair.Key, pair.Value})
	}
	return found
}

func optionalPairs(given []instructions.KeyValuePairOptional) [][]string {
	found := [][]string{}
	for _, pair := range given {
		one := []string{pair.Key}
		if pair.Value != nil {
			one = append(one, *pair.Value)
		}
		found = append(found, one)
	}
	return found
}

func sources(given instructions.SourcesAndDest) object {
	documents := [][]any{}
	for _, one := range given.SourceContents {
		documents = append(documents, []any{one.Path, one.Data, one.Expand})
	}
	return object{"sources": list(given.SourcePaths), "documents": documents, "destination": given.DestPath}
}

func line(given instructions.ShellDependantCmdLine) object {
	return object{"words": list(given.CmdLine), "shell": given.PrependShell}
}
