// The images that a Dockerfile names: found, pinned, and remembered for the record (private).
#pragma once

#include "cooper/build/image_build.hpp"

#include "build/image/image_state.hpp"
#include "build/image/record_book.hpp"

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace cooper::build {

/// Safe from several threads; each image is asked for once.
class BaseImages {
public:
    BaseImages(const ImageBuildOptions& options, const ImageBuildServices& services, RecordBook& book)
        : options_(options), services_(services), book_(book) {}

    /// `reference` as FROM or COPY --from has it, expanded. Without --pull an image that the store has by this name
    /// counts; else its registry is asked. With a lock it is what the lock says. Throws Error: NotFound, InvalidInput
    /// (not in the lock, no name of an image), what the registry says.
    [[nodiscard]] ImageState find(const std::string& reference, const oci::Platform& platform, const Run& run);
    /// The same for a named context's place: "docker-image://REF", "oci-layout://DIR[:REF]", "store:NAME". Callers name
    /// places of this machine; Dockerfiles may not.
    [[nodiscard]] ImageState find_place(const std::string& place, const oci::Platform& platform, const Run& run);
    /// Names those in the store that came from a registry and are here whole, so that the next build need not ask.
    void keep_names(const Run& run) const;

private:
    struct Found {
        ImageState state;
        oci::Graph graph;
        std::string store_name;  ///< empty: it is not to be named
    };
    [[nodiscard]] Found look_up(const std::string& reference, const oci::Platform& platform, const Run& run);
    [[nodiscard]] std::optional<Found> find_in_store(const std::string& reference, const std::string& name,
                                                     const oci::Platform& platform, const Run& run);
    [[nodiscard]] Found open(const std::string& place, const std::string& name, const oci::Platform& platform,
                             const Run& run);

    const ImageBuildOptions& options_;
    const ImageBuildServices& services_;
    RecordBook& book_;
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, Found> found_;
};

/// True for a place of --build-context that is an image.
bool is_image_context(std::string_view place);

}  // namespace cooper::build
