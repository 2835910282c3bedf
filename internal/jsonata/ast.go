package jsonata

// kind tells what a node of the tree is.
type kind uint8

const (
	// As the parser gives them; resolve turns the first group into the second.
	kindDot       kind = iota + 1 // a.b
	kindPredicate                 // a[b]
	kindGrouping                  // a{b: c}
	kindOrder                     // a^(b)
	kindFocus                     // a@$b
	kindIndex                     // a#$b
	kindWord                      // and, or, in, where a value is expected: names of fields
	kindEnd                       // the end of the text

	kindPath // steps
	kindName
	kindVariable
	kindString
	kindNumber
	kindValue // true, false, null
	kindRegex
	kindWildcard
	kindDescendant
	kindParent
	kindBinary // op: arithmetic, comparison, and, or, in, &, ..
	kindNegate
	kindArray
	kindObject
	kindBlock
	kindCondition
	kindBind
	kindLambda
	kindCall
	kindPartial
	kindPlaceholder // the ? of a partial application
	kindApply       // ~>
	kindTransform
	kindSort
)

// node is one node of the tree. Which fields mean something depends on its kind; the second half is set by resolve. After
// Compile a tree is never changed.
type node struct {
	kind  kind
	pos   int    // byte offset just behind the node's token
	name  string // of a name or variable; the operator of a binary node
	value any    // of a literal; *pattern of a regular expression

	left, right, third *node   // operands; condition, then, else; pattern, update, delete of a transform; body of a lambda
	list               []*node // expressions, arguments, parameters, steps
	pairs              [][2]*node
	terms              []sortTerm
	signature          *signature
	thunk              bool // a lambda that stands for a call in tail position

	keepArray      bool    // followed by []
	filters        []stage // predicates of a node outside of a path
	stages         []stage // predicates and index bindings of a step
	group          *group
	keepSingleton  bool // of a path: some step is followed by []
	constructor    bool // an array constructor whose result is one value of the path
	tuple          bool // bindings must be carried along from here
	focus, index   string
	ancestor       *slot
	slot           *slot    // of a parent
	seekingParents []*slot  // of what lies above this node
	depth          int      // height of the tree below
	names          []string // of a lambda's parameters
	plainName      bool     // a name or variable without anything to it
	simple         bool     // a path of nothing but plain names
}

// stage is a predicate, or, with a name, the binding of the position.
type stage struct {
	filter *node
	index  string
	pos    int
}

type sortTerm struct {
	descending bool
	by         *node
}

type group struct {
	pairs [][2]*node
	pos   int
}

// slot is one use of %: level counts how many steps up its parent is, label names it in the bindings.
type slot struct {
	label string
	level int
	index int
}
