// COPY and ADD of a stage.
#include "cooper/base/error.hpp"
#include "cooper/oci/reference.hpp"

#include "build/image/history_text.hpp"
#include "build/image/stage_builder.hpp"
#include "build/record/without_credentials.hpp"
#include "build/source/git_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

/// Names are looked up in the image that is copied into.
bool names_owner(const CopyInstruction& copy) {
    return copy.chown.find_first_not_of("0123456789:") != std::string::npos;
}

Error not_pinned(const std::string& what, const char* advice) {
    Error error(ErrorCode::InvalidInput, what + " is not in the lock, and nothing pins it");
    error.advise(advice);
    return error;
}

}  // namespace

StageBuilder::Origin StageBuilder::find_origin(const std::string& from) {
    Origin origin;
    if (from.empty()) {
        origin.context = &work_.context;
        return origin;
    }
    const std::string* const context = build_.named_context(from);
    if (context == nullptr) {
        if (const auto stage = find_stage(dockerfile_, index_, from)) {
            origin.image = build_.stage(*stage).image;
        } else if (from == "scratch") {
            origin.image = ImageState::scratch(state_.platform);
        } else {
            origin.image = work_.images.find(from, build_.stage_options().target_platform, run_);
        }
    } else if (is_image_context(*context)) {
        origin.image = work_.images.find_place(*context, build_.stage_options().target_platform, run_);
    } else {
        origin.context = &work_.named_trees.at(from);
    }
    if (origin.image) {
        origin.digest = chain_id(origin.image->diff_ids()).text();
    }
    return origin;
}

const std::filesystem::path& StageBuilder::root_of(const Origin& origin, const RootTree*& tree) {
    if (origin.context != nullptr) {
        tree = nullptr;
        return origin.context->root;
    }
    auto& opened = read_trees_[origin.digest];
    if (!opened) {
        unpack(*origin.image);
        opened = work_.services.snapshots.open_to_read(origin.image->diff_ids(), run_);
    }
    tree = opened.get();
    return opened->path();
}

CopyInputs StageBuilder::inputs_of(const Origin& origin) {
    CopyInputs inputs;
    inputs.root = root_of(origin, inputs.tree);
    inputs.epoch = work_.epoch;
    if (origin.context != nullptr) {
        inputs.ignore = &origin.context->ignore;
        inputs.hash_memory = work_.services.hash_memory;
    }
    return inputs;
}

void StageBuilder::fetch_sources(const CopyInstruction& copy, CopyInputs& inputs) {
    const auto& locked = work_.options.locked;
    for (const std::string& source : copy.sources) {
        const auto git = GitReference::parse(source);
        if (git && !git->may_be_path()) {
            const std::string shown = without_credentials(source);
            const BuildRecord::Checkout* const known = locked ? locked->find_checkout(shown) : nullptr;
            std::string commit = copy.checksum.empty() ? git->checksum.value_or("") : copy.checksum;
            if (known != nullptr) {
                commit = known->commit;
            } else if (locked && commit.empty() && !is_commit(git->ref)) {
                throw not_pinned("ADD " + oci::printable(shown), "name a whole commit after '#', or --checksum");
            }
            const FetchedFile fetched = fetch_git(*git, copy.keep_git_dir || git->keep_git_dir.value_or(false), commit,
                                                  work_.services.sources, run_);
            inputs.fetched.push_back(fetched.source);
            inputs.fetched.back().source = source;
            work_.book.checkout({shown, fetched.commit});
        } else if (is_url(source)) {
            const std::string shown = without_credentials(source);
            const BuildRecord::Fetched* const known = locked ? locked->find_fetched(shown) : nullptr;
            std::optional<Digest> expected;
            if (!copy.checksum.empty()) {
                expected = Digest::parse(copy.checksum);
            } else if (known != nullptr) {
                expected = known->digest;
            } else if (locked) {
                throw not_pinned("ADD " + oci::printable(shown), "ADD --checksum=sha256:… pins a file by itself");
            }
            const FetchedFile fetched = fetch_file(source, expected, work_.services.sources, run_);
            inputs.fetched.push_back(fetched.source);
            inputs.fetched.back().source = source;
            work_.book.fetched({shown, fetched.digest, fetched.size});
        }
    }
}

StepKey StageBuilder::copy_key(const CopyInstruction& copy) const {
    StepKey key = step_key(copy.add ? "add" : "copy", !copy.link || names_owner(copy));
    key.add("destination", absolute(copy.destination) + (copy.destination.ends_with('/') ? "/" : ""));
    key.add("chown", copy.chown).add("chmod", copy.chmod).add("exclude", copy.exclude);
    key.add("link", copy.link ? "1" : "0").add("parents", copy.parents ? "1" : "0");
    key.add("unpack", copy.unpack ? (*copy.unpack ? "1" : "0") : "");
    key.add("git", copy.keep_git_dir ? "1" : "0");
    if (!copy.add || copy.sources.size() + copy.inline_sources.size() > 1) {
        key.add("sources", std::to_string(copy.sources.size()));
    }
    return key;
}

CapturedLayer StageBuilder::write_copy(const CopyInstruction& copy, const CopySelection& selection) {
    CopyTarget target;
    target.devices = work_.services.confinement.devices;
    target.working_directory = state_.config.working_directory.empty() ? "/" : state_.config.working_directory;
    if (!copy.chown.empty()) {
        const bool alone = copy.link && !names_owner(copy);
        target.owner = find_owner(alone ? std::filesystem::path() : tree().path(), copy.chown);
    }
    if (!copy.link) {
        RootTree& root = tree();
        selection.write(root, target, run_);
        return root.capture(capture_options(false), run_);
    }
    const auto alone = work_.services.snapshots.open({}, run_);
    selection.write(*alone, target, run_);
    return alone->capture(capture_options(false), run_);
}

void StageBuilder::apply(const CopyInstruction& copy) {
    const std::string history = copy_history(copy);
    StepReport report(work_.log, title(trigger_ ? instruction_->original
                                                : expand_for_display(instruction_->original, dockerfile_.escape,
                                                                     variables_.lookup())));
    try {
        const Origin origin = find_origin(copy.from);
        std::vector<Digest> keys;
        if (origin.image) {  // what is copied is decided by the layers and the words: no file need be looked at
            StepKey key = copy_key(copy);
            key.add("from", origin.digest).add("words", copy.sources);
            keys.push_back(key.finish());
            if (find_cached(keys)) {
                layer_step(report, keys, history, {});
                return;
            }
        }
        CopyInputs inputs = inputs_of(origin);
        if (copy.add) {
            fetch_sources(copy, inputs);
        }
        const CopySelection selection = CopySelection::choose(copy, inputs, run_);
        StepKey key = copy_key(copy);
        key.add("content", selection.digest().text());
        keys.push_back(key.finish());
        layer_step(report, keys, history, [&](StepReport&) {
            const StepSlots::Slot slot(work_.slots);
            return write_copy(copy, selection);
        });
    } catch (const Cancelled&) {
        report.stopped();
        throw;
    }
}

}  // namespace cooper::build
