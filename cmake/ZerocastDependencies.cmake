# Every third-party library the project links, found in one place. All are distribution packages.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp REQUIRED)

pkg_check_modules(PIPEWIRE REQUIRED IMPORTED_TARGET libpipewire-0.3>=1.0)
pkg_check_modules(LIBSYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus>=3)
pkg_check_modules(LIBDRM REQUIRED IMPORTED_TARGET libdrm)
pkg_check_modules(AVUTIL REQUIRED IMPORTED_TARGET libavutil>=57)
pkg_check_modules(AVCODEC REQUIRED IMPORTED_TARGET libavcodec>=59)
pkg_check_modules(SWSCALE REQUIRED IMPORTED_TARGET libswscale>=6)
pkg_check_modules(SWRESAMPLE REQUIRED IMPORTED_TARGET libswresample>=4)
# Headers only: NVIDIA's libraries are loaded at run time.
pkg_check_modules(FFNVCODEC REQUIRED IMPORTED_TARGET ffnvcodec>=11)
pkg_check_modules(AVFORMAT REQUIRED IMPORTED_TARGET libavformat>=59)

# libyuv ships a .pc file on newer distributions only.
find_path(LIBYUV_INCLUDE_DIR libyuv.h REQUIRED)
find_library(LIBYUV_LIBRARY yuv REQUIRED)
add_library(libyuv INTERFACE IMPORTED)
target_include_directories(libyuv SYSTEM INTERFACE ${LIBYUV_INCLUDE_DIR})
target_link_libraries(libyuv INTERFACE ${LIBYUV_LIBRARY})

# Headers only: libvulkan is opened at run time. glslangValidator compiles the shaders.
find_package(Vulkan REQUIRED)
find_program(GLSLANG_VALIDATOR glslangValidator REQUIRED)

# Headers only: libEGL is opened at run time, and gives the addresses of OpenGL ES.
find_path(EGL_INCLUDE_DIR EGL/egl.h REQUIRED)
find_path(GLES_INCLUDE_DIR GLES3/gl31.h REQUIRED)

# Headers only: libavformat brings libsrt.
find_path(LIBSRT_INCLUDE_DIR srt/srt.h REQUIRED)

# Headers only: libva is opened at run time.
find_path(LIBVA_INCLUDE_DIR va/va_vpp.h REQUIRED)
add_library(LibvaHeaders INTERFACE IMPORTED)
target_include_directories(LibvaHeaders SYSTEM INTERFACE ${LIBVA_INCLUDE_DIR})

# Headers only: HTTP and WebSockets, and the tests' way to drive a browser.
find_path(BOOST_INCLUDE_DIR boost/beast.hpp REQUIRED)
add_library(BoostHeaders INTERFACE IMPORTED)
target_include_directories(BoostHeaders SYSTEM INTERFACE ${BOOST_INCLUDE_DIR})
find_package(OpenSSL 3 REQUIRED)
pkg_check_modules(FREETYPE REQUIRED IMPORTED_TARGET freetype2)
pkg_check_modules(FONTCONFIG REQUIRED IMPORTED_TARGET fontconfig)
pkg_check_modules(QRENCODE REQUIRED IMPORTED_TARGET libqrencode)

pkg_check_modules(WAYLAND_CLIENT REQUIRED IMPORTED_TARGET wayland-client>=1.20)
pkg_get_variable(WAYLAND_PROTOCOLS_DIR wayland-protocols pkgdatadir)
find_program(WAYLAND_SCANNER wayland-scanner REQUIRED)
if(ZEROCAST_TESTS)
  pkg_check_modules(WAYLAND_SERVER REQUIRED IMPORTED_TARGET wayland-server>=1.20)
endif()
