// What goes wrong while a template is parsed or rendered, and what it may cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace cooper::build::jinja {

/// A failure whose place is not known yet: whoever knows file and line makes a TemplateError of it.
struct Failure {
    std::string message;
    std::string advice = {};
};

/// An expression may be this deep: the sum of 200 terms is. Jinja ends there too: Python's parser takes no more
/// parentheses.
inline constexpr unsigned kMaxExpressionDepth = 200;
inline constexpr unsigned kMaxBlockDepth = 100;      ///< blocks in blocks
inline constexpr std::size_t kMaxNodes = 1'000'000;  ///< expressions and statements of one template
inline constexpr unsigned kMaxValueDepth = 100;      ///< lists in lists; what walks them recurses
inline constexpr unsigned kMaxCalls = 200;           ///< macros, recursive loops and includes in each other
inline constexpr unsigned kMaxStackDepth = 2000;     ///< expressions and blocks under evaluation, in all calls
inline constexpr std::uint64_t kMaxSteps = 10'000'000;
inline constexpr std::size_t kMaxOutput = 64U << 20U;
inline constexpr std::size_t kMaxMemory = 256U << 20U;  ///< of all values and pieces of output that live at once

/// What one rendering has used. Objects give back what they took, so it lives longer than they do.
class Budget {
public:
    /// Throws Failure. Bytes are written once at least, so they are steps too.
    void take(std::size_t bytes) {
        expect(bytes);
        step(bytes / 256);
        memory_ += bytes;
    }
    void give_back(std::size_t bytes) noexcept { memory_ -= bytes; }
    /// Throws Failure when so many bytes more would be too many; before they are allocated.
    void expect(std::size_t bytes) const;
    void step(std::uint64_t count = 1) {
        steps_ += count;
        if (steps_ > kMaxSteps) {
            too_many_steps();
        }
    }

private:
    [[noreturn]] static void too_many_steps();

    std::size_t memory_ = 0;
    std::uint64_t steps_ = 0;
};

/// Memory that was taken from a budget; none for the literals of a template.
class Charge {
public:
    Charge() = default;
    Charge(Budget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {
        if (budget_ != nullptr) {
            budget_->take(bytes_);
        }
    }
    Charge(const Charge&) = delete;
    Charge& operator=(const Charge&) = delete;
    Charge(Charge&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Charge& operator=(Charge&& other) noexcept {
        std::swap(budget_, other.budget_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Charge() {
        if (budget_ != nullptr) {
            budget_->give_back(bytes_);
        }
    }
    void grow(std::size_t more) {
        if (budget_ != nullptr) {
            budget_->take(more);
        }
        bytes_ += more;
    }

private:
    Budget* budget_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Text that is put together piece by piece; what it holds counts from the moment it grows.
class TextBuilder {
public:
    explicit TextBuilder(Budget* budget) : budget_(budget), charge_(budget, 0) {}
    TextBuilder& operator+=(std::string_view piece) {
        reserve(piece.size());
        text_.append(piece);
        return *this;
    }
    TextBuilder& operator+=(char c) {
        reserve(1);
        text_.push_back(c);
        return *this;
    }
    void fill(std::size_t count, std::string_view piece);
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
    [[nodiscard]] Budget* budget() const noexcept { return budget_; }
    /// The text; the charge goes with the builder, who keeps the text charges it anew.
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    void reserve(std::size_t more);

    Budget* budget_;
    Charge charge_;
    std::size_t charged_ = 0;
    std::string text_;
};

}  // namespace cooper::build::jinja
