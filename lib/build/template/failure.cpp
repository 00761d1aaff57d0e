#include "build/template/failure.hpp"

#include <algorithm>

namespace cooper::build::jinja {

void Budget::expect(std::size_t bytes) const {
    if (bytes > kMaxMemory - memory_) {
        throw Failure{"the template's values need more than " + std::to_string(kMaxMemory >> 20U) + " MiB of memory"};
    }
}

void Budget::too_many_steps() {
    throw Failure{"rendering takes more than " + std::to_string(kMaxSteps) + " steps", "is a loop larger than meant?"};
}

void TextBuilder::fill(std::size_t count, std::string_view piece) {
    if (budget_ != nullptr) {
        budget_->expect(piece.empty() || count < kMaxMemory / piece.size() ? count * piece.size() : kMaxMemory);
    }
    for (std::size_t i = 0; i < count; ++i) {
        *this += piece;
    }
}

void TextBuilder::reserve(std::size_t more) {
    if (more <= charged_ - text_.size()) {
        return;
    }
    constexpr std::size_t kLeast = 64;
    const std::size_t wanted = std::max({text_.size() + more, text_.size() + text_.size() / 2, kLeast});
    if (wanted - charged_ > kMaxMemory) {
        throw Failure{"a text is too long"};
    }
    charge_.grow(wanted - charged_);
    charged_ = wanted;
    text_.reserve(wanted);
}

}  // namespace cooper::build::jinja
