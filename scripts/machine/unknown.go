package machine

import (
	"slices"
	"strings"
)

// Unknown is a variable of the environment that looks like one of entrasync and is none.
type Unknown struct{ Name, Nearest string }

// ourPrefix begins the variables that only entrasync has.
const ourPrefix = "ENTRASYNC_"

// nearEnough is in how many letters a name without the prefix may differ from a variable
// to count as a typing error.
const nearEnough = 2

// UnknownVariables finds variables that were probably meant for entrasync, in the form of
// os.Environ: all that begin with ENTRASYNC_, and those with a typing error in the name.
func UnknownVariables(environment []string) []Unknown {
	var found []Unknown
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		nearest, distance := nearestVariable(name)
		if distance > 0 && (strings.HasPrefix(name, ourPrefix) || distance <= nearEnough) {
			found = append(found, Unknown{Name: name, Nearest: nearest})
		}
	}
	slices.SortFunc(found, func(a, b Unknown) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// nearestVariable is the variable whose name is most like a name, and in how many
// letters it differs.
func nearestVariable(name string) (nearest string, least int) {
	for i, v := range variables {
		if d := distance(name, v.name); i == 0 || d < least {
			nearest, least = v.name, d
		}
	}
	return nearest, least
}

// distance is how many letters have to be put in, taken out or replaced to make one
// word of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
