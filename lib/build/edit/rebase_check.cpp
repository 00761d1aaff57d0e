#include "build/edit/rebase_check.hpp"

#include "cooper/base/error.hpp"

#include "build/edit/file_system.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <set>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxWarnings = 20;
constexpr std::string_view kTask = "comparing the bases";

/// Where `path` leads when it is a link to a directory; nullopt otherwise.
std::optional<std::string> led_to(const FileSystem& files, const std::string& path) {
    const auto* node = files.find(path);
    if (node == nullptr || node->type() != TarType::Symlink) {
        return std::nullopt;
    }
    constexpr std::string_view kProbe = "/x";
    try {
        auto target = files.resolve_parents(path + std::string(kProbe));
        target.resize(target.size() - std::min(kProbe.size(), target.size()));
        const auto* end = files.find(target);
        const bool directory = end != nullptr && end->type() == TarType::Directory;
        return directory ? std::optional(std::move(target)) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;  // a loop leads nowhere
    }
}

class BaseCheck {
public:
    BaseCheck(const FileSystem& before, const FileSystem& after, std::set<std::string> own)
        : before_(before), after_(after), own_(std::move(own)) {}

    std::vector<std::string> warnings() {
        for (const auto* const files : {&before_, &after_}) {
            for (const auto& [path, number] : files->paths()) {
                if (files->node(number).type() == TarType::Symlink && seen_.insert(path).second) {
                    check(path);
                }
            }
        }
        return std::move(warnings_);
    }

private:
    void check(const std::string& path) {
        const auto was = led_to(before_, path), is = led_to(after_, path);
        if (was == is || warnings_.size() == kMaxWarnings) {
            return;
        }
        const auto name = "/" + oci::printable(path);
        if (is && has_below(path)) {
            warnings_.push_back(name + " is a link to /" + oci::printable(*is) +
                                " in the new base: what the image's layers have below " + name +
                                " makes a directory of it, and hides what is in /" + oci::printable(*is));
        } else if (was && has_below(*was)) {
            warnings_.push_back(name + " was a link to /" + oci::printable(*was) +
                                " in the old base and is not in the new one: what the image's layers have in /" +
                                oci::printable(*was) + " is not found in " + name + " any more");
        }
    }

    [[nodiscard]] bool has_below(const std::string& directory) const {
        const auto found = own_.lower_bound(directory + "/");
        return found != own_.end() && found->starts_with(directory + "/");
    }

    const FileSystem& before_;
    const FileSystem& after_;
    std::set<std::string> own_;
    std::set<std::string> seen_;
    std::vector<std::string> warnings_;
};

}  // namespace

std::vector<std::string> check_on_base(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base,
                                       const Run& run) {
    const auto old_count = old_base.manifest.layers.size(), new_count = new_base.manifest.layers.size();
    std::vector<LayerOf> layers;
    for (std::size_t i = 0; i < new_count; ++i) {
        layers.push_back({&new_base, i});
    }
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        layers.push_back({&image, i});  // begins with the old base's
    }
    const auto listings = list_layers(layers, Contents::Ignored, std::string(kTask), run);
    FileSystem before, after;
    std::set<std::string> own;
    for (std::size_t i = 0; i < listings.size(); ++i) {
        if (i < new_count) {
            after.add(listings[i]);
        } else if (i < new_count + old_count) {
            before.add(listings[i]);
        } else {
            for (const auto& entry : listings[i].entries) {
                own.insert(entry.path);
            }
        }
    }
    return BaseCheck(before, after, std::move(own)).warnings();
}

}  // namespace cooper::build
