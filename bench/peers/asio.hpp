// Boost.Asio as the peers use it. Debian 12's 1.74 needs <utility> first and to be told that clang has the
// standard's coroutines.
#pragma once

#include <utility>

#if defined(__clang__) && !defined(BOOST_ASIO_HAS_CO_AWAIT)
#define BOOST_ASIO_HAS_CO_AWAIT 1
#define BOOST_ASIO_HAS_STD_COROUTINE 1
#endif
#include <boost/asio.hpp>

#include "../common.h"

namespace asio = boost::asio;
using asio::ip::tcp;
