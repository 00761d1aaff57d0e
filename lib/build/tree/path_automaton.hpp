// A pattern over paths, as an automaton that follows all its states at once: no backtracking, whatever the pattern.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// Code points by ranges, or all others.
struct CodePointSet {
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges;  ///< first to last

    static CodePointSet only(char32_t point) { return {false, {{point, point}}}; }
    static CodePointSet all_but(char32_t point) { return {true, {{point, point}}}; }
    [[nodiscard]] bool contains(char32_t point) const;
};

/// One step of a pattern: a character, or any number of them.
struct PatternStep {
    CodePointSet what;
    bool repeated = false;    ///< none, one or many
    std::size_t skip_to = 0;  ///< not 0: all steps from this one to before that (later) one may be passed over
};

/// Runs in time linear in steps x path, 64 steps at a time. Safe from several threads.
class PathAutomaton {
public:
    explicit PathAutomaton(const std::vector<PatternStep>& steps);
    /// Does the pattern take all of `path`, or all but one final newline (the "$" of the usual regular expressions)?
    [[nodiscard]] bool matches(std::u32string_view path) const;

private:
    using Words = std::vector<std::uint64_t>;

    [[nodiscard]] bool matches_in_one_word(std::u32string_view path) const;
    [[nodiscard]] bool matches_in_words(std::u32string_view path) const;
    void follow_free_steps(Words& states) const;
    const std::uint64_t* steps_taking(char32_t point, std::uint64_t* row) const;

    std::size_t accept_;  // the state after the last step; state i is the one before step i
    std::size_t words_;   // for one bit a state
    Words ascii_;         // the steps that take each of the 128, words_ for each
    Words beyond_;        // those that take every character beyond
    Words repeated_;
    Words free_;  // states that can be left without a character
    std::vector<std::size_t> skip_to_;
    Words reached_;  // of each state, when one word is enough: itself and the states it leads to without a character
    std::vector<std::pair<std::size_t, CodePointSet>> particular_;  // steps that tell characters beyond ASCII apart
};

}  // namespace cooper::build
