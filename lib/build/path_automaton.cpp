#include "build/path_automaton.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace cooper::build {

namespace {

constexpr std::size_t kBits = 64;
constexpr char32_t kAsciiEnd = 0x80;

template <class Words>
void add(Words& words, std::size_t bit) {
    words[bit / kBits] |= std::uint64_t{1} << (bit % kBits);
}

template <class Words>
bool has(const Words& words, std::size_t bit) {
    return (words[bit / kBits] >> (bit % kBits) & 1U) != 0;
}

/// Are all characters beyond ASCII the same to the set?
bool ends_within_ascii(const CodePointSet& set) {
    return std::all_of(set.ranges.begin(), set.ranges.end(),
                       [](const auto& range) { return range.second < kAsciiEnd; });
}

}  // namespace

bool CodePointSet::contains(char32_t point) const {
    const bool listed = std::any_of(ranges.begin(), ranges.end(), [point](const auto& range) {
        return range.first <= point && point <= range.second;
    });
    return listed != negated;
}

PathAutomaton::PathAutomaton(const std::vector<PatternStep>& steps)
    : accept_(steps.size()),
      words_(steps.size() / kBits + 1),
      ascii_(kAsciiEnd * words_),
      beyond_(words_),
      repeated_(words_),
      free_(words_) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const PatternStep& step = steps[i];
        for (char32_t point = 0; point < kAsciiEnd; ++point) {
            if (step.what.contains(point)) {
                ascii_[point * words_ + i / kBits] |= std::uint64_t{1} << (i % kBits);
            }
        }
        if (!ends_within_ascii(step.what)) {
            particular_.emplace_back(i, step.what);
        } else if (step.what.negated) {
            add(beyond_, i);
        }
        if (step.repeated) {
            add(repeated_, i);
        }
        if (step.repeated || step.skip_to != 0) {
            add(free_, i);
        }
        skip_to_.push_back(step.skip_to);
    }
}

bool PathAutomaton::matches(std::u32string_view path) const {
    if (words_ == 1) {
        using Word = std::array<std::uint64_t, 1>;
        return run(path, Word{}, Word{}, Word{});
    }
    const std::vector<std::uint64_t> none(words_);
    return run(path, none, none, none);
}

template <class Words>
bool PathAutomaton::run(std::u32string_view path, Words now, Words next, Words row) const {
    add(now, 0);
    follow_free_steps(now);
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == U'\n' && i + 1 == path.size() && has(now, accept_)) {
            return true;
        }
        const std::uint64_t* taking = steps_taking(path[i], row);
        std::uint64_t carry = 0;
        std::uint64_t alive = 0;
        for (std::size_t w = 0; w < now.size(); ++w) {
            const std::uint64_t taken = now[w] & taking[w];
            const std::uint64_t passed = taken & ~repeated_[w];
            next[w] = (taken & repeated_[w]) | passed << 1U | carry;
            carry = passed >> (kBits - 1);
            alive |= next[w];
        }
        if (alive == 0) {
            return false;
        }
        follow_free_steps(next);
        std::swap(now, next);
    }
    return has(now, accept_);
}

/// Free steps lead forward only, so one pass from the lowest bit finds all.
template <class Words>
void PathAutomaton::follow_free_steps(Words& states) const {
    for (std::size_t w = 0; w < states.size(); ++w) {
        for (std::uint64_t open = states[w] & free_[w]; open != 0;) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(open));
            const std::size_t state = w * kBits + bit;
            if (has(repeated_, state)) {
                add(states, state + 1);
            }
            if (skip_to_[state] != 0) {
                add(states, skip_to_[state]);
            }
            open = states[w] & free_[w] & (bit + 1 == kBits ? 0 : ~std::uint64_t{0} << (bit + 1));
        }
    }
}

template <class Words>
const std::uint64_t* PathAutomaton::steps_taking(char32_t point, Words& row) const {
    if (point < kAsciiEnd) {
        return &ascii_[point * words_];
    }
    if (particular_.empty()) {
        return beyond_.data();
    }
    std::copy(beyond_.begin(), beyond_.end(), row.begin());
    for (const auto& [step, set] : particular_) {
        if (set.contains(point)) {
            add(row, step);
        }
    }
    return row.data();
}

}  // namespace cooper::build
