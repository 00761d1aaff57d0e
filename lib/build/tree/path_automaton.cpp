#include "build/tree/path_automaton.hpp"

#include <algorithm>
#include <bit>

namespace cooper::build {

namespace {

constexpr std::size_t kBits = 64;
constexpr char32_t kAsciiEnd = 0x80;

void add(std::vector<std::uint64_t>& words, std::size_t bit) {
    words[bit / kBits] |= std::uint64_t{1} << (bit % kBits);
}

bool has(const std::vector<std::uint64_t>& words, std::size_t bit) {
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
    for (std::size_t state = 0; words_ == 1 && state <= accept_; ++state) {
        Words reached(1);
        add(reached, state);
        follow_free_steps(reached);
        reached_.push_back(reached.front());
    }
}

bool PathAutomaton::matches(std::u32string_view path) const {
    return words_ == 1 ? matches_in_one_word(path) : matches_in_words(path);
}

bool PathAutomaton::matches_in_one_word(std::u32string_view path) const {
    const std::uint64_t accept = std::uint64_t{1} << accept_;
    const std::uint64_t repeated = repeated_.front();
    const std::uint64_t free = free_.front();
    std::uint64_t now = reached_.front();
    for (std::size_t i = 0; i < path.size() && now != 0; ++i) {
        if (path[i] == U'\n' && i + 1 == path.size() && (now & accept) != 0) {
            return true;
        }
        std::uint64_t row = 0;
        const std::uint64_t taken = now & *steps_taking(path[i], &row);
        now = (taken & repeated) | (taken & ~repeated) << 1U;
        for (std::uint64_t open = now & free; open != 0; open &= open - 1) {
            now |= reached_[static_cast<std::size_t>(std::countr_zero(open))];
        }
    }
    return (now & accept) != 0;
}

bool PathAutomaton::matches_in_words(std::u32string_view path) const {
    Words now(words_);
    Words next(words_);
    Words row(words_);
    add(now, 0);
    follow_free_steps(now);
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == U'\n' && i + 1 == path.size() && has(now, accept_)) {
            return true;
        }
        const std::uint64_t* taking = steps_taking(path[i], row.data());
        std::uint64_t carry = 0;
        for (std::size_t w = 0; w < words_; ++w) {
            const std::uint64_t taken = now[w] & taking[w];
            const std::uint64_t passed = taken & ~repeated_[w];
            next[w] = (taken & repeated_[w]) | passed << 1U | carry;
            carry = passed >> (kBits - 1);
        }
        follow_free_steps(next);
        std::swap(now, next);
    }
    return has(now, accept_);
}

/// Free steps lead forward only, so one pass from the lowest bit finds all.
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

/// `row` is where a row of words is made that is not at hand.
const std::uint64_t* PathAutomaton::steps_taking(char32_t point, std::uint64_t* row) const {
    if (point < kAsciiEnd) {
        return &ascii_[point * words_];
    }
    if (particular_.empty()) {
        return beyond_.data();
    }
    std::copy(beyond_.begin(), beyond_.end(), row);
    for (const auto& [step, set] : particular_) {
        if (set.contains(point)) {
            row[step / kBits] |= std::uint64_t{1} << (step % kBits);
        }
    }
    return row;
}

}  // namespace cooper::build
