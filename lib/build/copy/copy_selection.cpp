#include "build/copy/copy_choice.hpp"
#include "build/copy/copy_digest.hpp"
#include "build/copy/copy_write.hpp"

namespace cooper::build {

struct CopySelection::State {
    CopyInstruction copy;
    std::int64_t epoch;
    std::vector<CopyItem> items;
    Digest digest;
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;

    void count() {
        for (const CopyItem& item : items) {
            files += item.kind == CopyItem::Kind::Text ? 1 : 0;
            bytes += item.text.size();
            for (const CopyEntry& entry : item.entries) {
                files += S_ISREG(entry.type) ? 1 : 0;
                bytes += S_ISREG(entry.type) && !entry.same_file ? static_cast<std::uint64_t>(entry.status.st_size) : 0;
            }
        }
    }
};

CopySelection CopySelection::choose(const CopyInstruction& copy, const CopyInputs& inputs, const Run& run) {
    if (!copy.chmod.empty()) {
        changed_mode(copy.chmod, 0, false);
    }
    auto items = choose_items(copy, inputs, run);
    Digest digest = digest_of_items(items, inputs.tree == nullptr ? inputs.hash_memory : std::filesystem::path(), run);
    auto state = std::make_unique<State>(State{copy, inputs.epoch, std::move(items), std::move(digest)});
    state->count();
    return CopySelection(std::move(state));
}

CopySelection::CopySelection(std::unique_ptr<State> state) : state_(std::move(state)) {}
CopySelection::CopySelection(CopySelection&&) noexcept = default;
CopySelection& CopySelection::operator=(CopySelection&&) noexcept = default;
CopySelection::~CopySelection() = default;

const Digest& CopySelection::digest() const {
    return state_->digest;
}

std::uint64_t CopySelection::files() const noexcept {
    return state_->files;
}

std::uint64_t CopySelection::bytes() const noexcept {
    return state_->bytes;
}

void CopySelection::write(RootTree& tree, const CopyTarget& target, const Run& run) const {
    write_items(state_->items, state_->copy, state_->epoch, tree, target, run);
}

}  // namespace cooper::build
